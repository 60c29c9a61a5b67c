"""What a call came to, as the Outcome record that leaves the runner: error texts and digests.

Error texts are those of reference §1.13: what went wrong, then one `    at …` line per frame of user code, innermost
first; every line ends with a newline.
"""

from __future__ import annotations

import asyncio
import hashlib
import opcode
import signal
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import cast

from reactor.errors import (
    AppError,
    ArgumentValidationError,
    DeveloperError,
    EnvironmentRefused,
    FunctionCrashed,
    FunctionNotFound,
    FunctionTimeout,
    InvalidValue,
    LimitExceeded,
    ReturnsValidationError,
    WrongFunctionKind,
)
from reactor.execution.frames import Failure
from reactor.execution.project import Project
from reactor.values.value import Value, decode, encode

_PLAIN = (ArgumentValidationError, ReturnsValidationError)  # shown as `Tag: text`
_BARE = (FunctionNotFound, WrongFunctionKind, FunctionTimeout, FunctionCrashed, EnvironmentRefused)  # shown as they are
_SEEN_FRAMES = 50  # a runaway recursion has a thousand equal ones
_RAISE = opcode.opmap["RAISE_VARARGS"]
_TEXT_LENGTH = 32768  # characters of an exception's text, as of a printed line


def failure_of(error: BaseException, project: Project) -> Failure:
    """The Failure that tells of `error`, raised by user code or by our own checks of it."""
    frames = "".join(_frame_lines(error.__traceback__, project))
    if isinstance(error, AppError):
        return _application_failure(error, frames)
    if isinstance(error, LimitExceeded | EnvironmentRefused):
        code = error.code
    else:
        code = str(getattr(error, "tag", type(error).__name__))
    return Failure(code=code, text=f"{_headline(error)}\n{frames}")


def is_interruption(error: BaseException) -> bool:
    """Whether Ctrl-C, or whoever ends an action, struck in user code: that is no error of the code's own.

    What the code raises itself is an error like any other, whatever its class.
    """
    if isinstance(error, asyncio.CancelledError):
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop, so nobody to cancel it
            return False
        return task is not None and task.cancelling() > 0
    if not isinstance(error, KeyboardInterrupt) or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or trace.tb_frame.f_code.co_code[trace.tb_lasti] != _RAISE


def error_of(failure: Failure) -> Exception:
    """The exception an action sees when a function it called came to this failure: of our own kind, if it was one.

    Where it happened is kept as a note, so that it is part of the action's own error text.
    """
    if failure.data is not None:
        return AppError(decode(failure.data))
    head, frames = _split(failure.text)
    name, colon, text = head.removeprefix("Uncaught ").partition(": ")
    kind = _BY_NAME.get(name) if colon else None
    if kind is None:
        kind, text = _BY_TAG.get(failure.code, DeveloperError), head
    error = LimitExceeded(text, code=failure.code) if kind is LimitExceeded else kind(text)
    if frames:
        error.add_note(frames)
    return error


def digest_of(value: bytes | None, failure: Failure | None, log_lines: Sequence[str]) -> bytes:
    """16 bytes, equal only for what a client could not tell apart."""
    hasher = hashlib.blake2b(digest_size=16)
    if failure is None:
        hasher.update(b"v" + (value or b""))
    else:
        hasher.update(b"e" + failure.text.encode("utf-8", "surrogatepass") + b"\0" + (failure.data or b""))
    for line in log_lines:
        data = line.encode("utf-8", "surrogatepass")
        hasher.update(b"\0" + len(data).to_bytes(4, "little") + data)
    return hasher.digest()


def _application_failure(error: AppError, frames: str) -> Failure:
    try:
        data = encode(cast("Value", error.data))
    except InvalidValue as invalid:
        text = f"Uncaught AppError: its data is no value a client can receive: {invalid}\n{frames}"
        return Failure(code=InvalidValue.tag, text=text)
    shown = _cut(error.data if isinstance(error.data, str) else data.decode())
    return Failure(code=AppError.tag, text=f"Uncaught ConvexError: {shown}\n{frames}", data=data)


def _headline(error: BaseException) -> str:
    text = _message(error)
    if isinstance(error, _PLAIN):
        return text if text.startswith(f"{error.tag}: ") else f"{error.tag}: {text}"
    if isinstance(error, _BARE):
        return text
    name = type(error).__name__
    return f"Uncaught {name}: {text}" if text else f"Uncaught {name}"


def _message(error: BaseException) -> str:
    """The exception's text, or what can be said when its `__str__` fails. Notes are part of it."""
    try:
        text = str(error)
        notes: Iterable[object] = getattr(error, "__notes__", ())
        text = "\n".join([text, *map(str, notes)])
    except Exception as broken:  # noqa: BLE001  # user code again
        text = f"(its text cannot be shown: {type(broken).__name__})"
    return _cut(text).encode("utf-8", "backslashreplace").decode()


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_LENGTH else f"{text[:_TEXT_LENGTH]} (truncated due to length)"


def _frame_lines(trace: TracebackType | None, project: Project) -> list[str]:
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if project.owns(code.co_filename):
            lines.append(f"    at {code.co_qualname} ({project.relative(code.co_filename)}:{trace.tb_lineno})\n")
        trace = trace.tb_next
    return lines[: -_SEEN_FRAMES - 1 : -1]


def _split(text: str) -> tuple[str, str]:
    """An error text as what went wrong and where."""
    head, at, frames = text.rstrip("\n").partition("\n    at ")
    return head, f"    at {frames}" if at else ""


def _kinds(kind: type[DeveloperError]) -> list[type[DeveloperError]]:
    own = [each for each in kind.__subclasses__() if each.__module__ == DeveloperError.__module__]
    return [kind, *(found for each in own for found in _kinds(each))]


_BY_NAME = {kind.__name__: kind for kind in _kinds(DeveloperError) if kind is not EnvironmentRefused}
_BY_TAG = {kind.tag: kind for kind in _BY_NAME.values()}
