"""Dotenv text: environment variables as lines `NAME=value`, written so that reading gives back every byte.

Reading takes what people's .env files hold: comments, `export`, values in '…' or `…` (as they are) and "…" (with \\n, \\r,
\\t, \\", \\' and \\\\), all of which may go over several lines; a bare value ends with its line or before ` #`.
Not here: expansion of `$NAME`, which would make reading depend on where it is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reactor.errors import ReactorError

_START = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=#]+)[ \t]*=[ \t]*")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)")
_BARE = re.compile(r"[^\r\n]*")
_QUOTED = {
    "'": re.compile(r"'([^']*)'"),
    "`": re.compile(r"`([^`]*)`"),
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
_SAFE = re.compile(r"[A-Za-z0-9_./:@%+,=~^*()\[\]{}|<>?!&;$-]+(?: +[A-Za-z0-9_./:@%+,=~^*()\[\]{}|<>?!&;$-]+)*")


class DotenvBroken(ReactorError):
    """A text that is no dotenv; says in which line, and never what stands there."""

    tag = "DotenvBroken"


def read(text: str) -> dict[str, str]:
    """Names and values, the last one where a name is given twice. Raises DotenvBroken."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank is not None:
            at = blank.end()
            continue
        start = _START.match(text, at)
        if start is None:
            raise _broken(text, at, "expected NAME=value")
        found[start[1]], at = _value(text, start.end())
    return found


def write(variables: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """The text `read` gives these back from."""
    pairs = variables.items() if isinstance(variables, Mapping) else variables
    return "".join(f"{name}={_spelt(value)}\n" for name, value in pairs)


def _value(text: str, at: int) -> tuple[str, int]:
    quote = text[at : at + 1]
    if quote not in _QUOTED or not quote:
        bare = _BARE.match(text, at)
        assert bare is not None, "it matches nothing, too"
        return re.split(r"(?:^|[ \t])#", bare[0], maxsplit=1)[0].strip(), bare.end()
    quoted = _QUOTED[quote].match(text, at)
    if quoted is None:
        raise _broken(text, at, f"the value begins with {quote} and that does not close")
    rest = _BLANK.match(text, quoted.end())
    if rest is None:
        raise _broken(text, quoted.end(), f"something follows the closing {quote}")
    value = quoted[1]
    if quote == '"':
        value = _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), value)
    return value, rest.end()


def _spelt(value: str) -> str:
    if _SAFE.fullmatch(value):
        return value
    for quote in ("'", "`"):
        if quote not in value:
            return f"{quote}{value}{quote}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _broken(text: str, at: int, why: str) -> DotenvBroken:
    return DotenvBroken(f"line {text.count(chr(10), 0, at) + 1}: {why}.")
