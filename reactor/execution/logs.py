"""LogLines: what a call printed or logged, as the lines clients get (reference §1.13).

The lines travel with the call's answer and nowhere else, so those of a discarded batch are discarded with it (engine
A2). How `print` and `logging` come here: capture.py.
"""

from __future__ import annotations

from typing import Literal

from reactor.limits import Limits

Level = Literal["DEBUG", "INFO", "LOG", "WARN", "ERROR"]

_ESCAPES = {ord("\\"): "\\\\", ord("'"): "\\'", ord("\n"): "\\n", ord("\t"): "\\t", ord("\r"): "\\r"} | {
    code: f"\\x{code:02X}" for code in range(32) if chr(code) not in "\n\t\r"
}


class LogLines:
    """Collects lines up to the limits; what is beyond them is dropped and the last line says so."""

    __slots__ = ("_length", "_most", "lines")

    def __init__(self, limits: Limits) -> None:
        self._most = limits.log_lines
        self._length = limits.log_line_length
        self.lines: list[str] = []  # grows in add(), never beyond log_lines

    def add(self, level: Level, *arguments: object) -> None:
        """One line: strings as `'text'`, everything else as print shows it, joined by a blank."""
        if len(self.lines) >= self._most:
            self.lines[-1] = f"[ERROR] 'Log overflow (maximum {self._most}). Remaining log lines omitted.'"
            return
        text = " ".join([_shown(argument) for argument in arguments])
        if len(text) > self._length:
            text = text[: self._length] + " (truncated due to length)"
        self.lines.append(f"[{level}] {text}")

    def warning(self, text: str) -> None:
        """A line of our own, to which limits do not apply."""
        self.lines.append(f"[WARN] {_shown(text)}")


def _shown(argument: object) -> str:
    if not isinstance(argument, str):
        text = str(argument)
        return text if text.isascii() else _without_surrogates(text)
    text = argument.translate(_ESCAPES)
    return f"'{text}'" if text.isascii() else f"'{_without_surrogates(text)}'"


def _without_surrogates(text: str) -> str:
    """Lone surrogates cannot be sent to anyone: shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
