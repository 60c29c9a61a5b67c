"""Every exception reactor raises, in one tree.

    ReactorError
    ├── AppError                    the application's own: its data travels whole to the client
    ├── DeveloperError              a mistake in user code or in a call; its text is shown in dev, redacted in `serve`
    │   ├── InvalidValue            a datum that is no Value, or a Value past a limit of its kind
    │   ├── InvalidId               a text that is no document id
    │   ├── ArgumentValidationError / ReturnsValidationError / SchemaViolation
    │   ├── FunctionNotFound / WrongFunctionKind
    │   ├── DocumentNotFound, InvalidQuery, NotUnique, IndexNotReady
    │   ├── LimitExceeded           names the limit, its value and the setting
    │   ├── FunctionTimeout         a function used up its time
    │   ├── FunctionCrashed         the process that ran the call died
    │   ├── EnvironmentRefused      an environment variable that cannot be set; `code` says why
    │   ├── FileRefused             a file that is not what was said of it: its checksum, its type
    │   ├── InvalidResponse         an HTTP handler's answer that cannot be sent
    │   ├── WebhookError            a webhook whose signature does not hold; uncaught, it is answered 401
    │   ├── ForbiddenHere           e.g. a socket inside a query: "use an action"
    │   └── DefinitionError         schema.py or functions/ cannot be loaded as written
    ├── CallerError                 a client's mistake; `code` is the short code clients see
    │   ├── BadRequest, Unauthenticated, Forbidden, NotFound
    │   ├── OutOfRetention          a state of the past that cannot be shown (any more)
    ├── Overloaded                  refused before anything happened; carries `retry_after`
    ├── StorageError                the data file cannot be used as asked
    │   ├── StorageLocked           another server or writer holds it
    │   ├── StaleWriter             a newer epoch owns the database
    │   └── ForeignCommit           someone else wrote to the live file
    ├── NotPrepared, WriterDied    a push needs another round · the writer ended first
    └── BundleBroken                user code that does not import; `traceback` is what to print

Each class has a stable `tag`, the short code of the wire where one is shown. HTTP status and WebSocket close codes are
chosen in `server/errors.py`, nowhere else.
"""

from __future__ import annotations

from typing import ClassVar


class ReactorError(Exception):
    """Root of the tree."""

    tag: ClassVar[str] = "InternalServerError"


class AppError(ReactorError):
    """An error of the application: raise it in a function, and `data` reaches the client as it is.

    `data` is any Value (a string, a dict with a code, …). Clients see their `ConvexError` with the same data.
    """

    tag = "AppError"

    def __init__(self, data: object) -> None:
        super().__init__(data)
        self.data = data


class DeveloperError(ReactorError):
    """A mistake in user code, or in how it was called."""

    tag = "DeveloperError"


class InvalidValue(DeveloperError):
    """A datum that has no place among the Values, or is past a limit of its kind (reference §3.3)."""

    tag = "InvalidValue"


class InvalidId(DeveloperError):
    """A text that does not decode as a document id (reference §3.5)."""

    tag = "InvalidId"


class ArgumentValidationError(DeveloperError):
    """Arguments do not fit the function's parameters; the text has the form of reference §4.3."""

    tag = "ArgumentValidationError"


class ReturnsValidationError(DeveloperError):
    """A result does not fit the function's return annotation."""

    tag = "ReturnsValidationError"


class SchemaViolation(DeveloperError):
    """A document does not fit its table."""

    tag = "SchemaViolation"


class FunctionNotFound(DeveloperError):
    """No such function, or one the caller may not know of: deliberately the same text."""

    tag = "FunctionNotFound"


class WrongFunctionKind(DeveloperError):
    """A query called as a mutation, and the like."""

    tag = "WrongFunctionKind"


class DocumentNotFound(DeveloperError):
    """A write to a document that is not there."""

    tag = "DocumentNotFound"


class InvalidQuery(DeveloperError):
    """A query that cannot be run as written: unknown index, bound out of order, bad cursor."""

    tag = "InvalidQuery"


class NotUnique(DeveloperError):
    """`unique()` met more than one document."""

    tag = "NotUnique"


class IndexNotReady(DeveloperError):
    """The index is still being filled."""

    tag = "IndexNotReady"


class LimitExceeded(DeveloperError):
    """A limit of design.md §6 was passed; `tag` on the instance is the official code (reference §4.6)."""

    tag = "LimitExceeded"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class FunctionTimeout(DeveloperError):
    """A function ran longer than its kind may."""

    tag = "FunctionTimeout"


class FunctionCrashed(DeveloperError):
    """The process that ran a call died in it: `os._exit`, a segmentation fault, out of memory."""

    tag = "FunctionCrashed"


class EnvironmentRefused(DeveloperError):
    """A change of environment variables past a rule or limit of reference §4.11; `code` is the official code."""

    tag = "EnvironmentRefused"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FileRefused(DeveloperError):
    """A file that cannot be stored as asked: its bytes have another checksum, or its type is none."""

    tag = "FileRefused"


class InvalidResponse(DeveloperError):
    """An HTTP handler answered with something that cannot be sent: no Response, or one with a broken head."""

    tag = "InvalidResponse"


class WebhookError(DeveloperError):
    """A webhook that is not what it should be: a header is missing, it is too old, or no signature matches.

    The text may be shown to the sender: it never holds a secret.
    """

    tag = "WebhookError"


class ForbiddenHere(DeveloperError):
    """Something a query or mutation must not do; the text says what to do instead."""

    tag = "ForbiddenHere"


class DefinitionError(DeveloperError):
    """`schema.py` or `functions/` says something that cannot be; the text names the place."""

    tag = "DefinitionError"


class CallerError(ReactorError):
    """A client's mistake. `code` is the short code of the wire, `message` is for people."""

    tag = "BadRequest"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class BadRequest(CallerError):
    """The request cannot be understood."""


class Unauthenticated(CallerError):
    """A credential was given and does not hold."""

    tag = "Unauthenticated"


class Forbidden(CallerError):
    """The credential holds, and is not enough."""

    tag = "Forbidden"


class NotFound(CallerError):
    """The thing named is not there."""

    tag = "NotFound"


class OutOfRetention(CallerError):
    """A state of the past was asked for that cannot be shown (any more). Asking again does not help; a newer one does."""

    tag = "OutOfRetention"

    def __init__(self, message: str) -> None:
        super().__init__(self.tag, message)


class Overloaded(ReactorError):
    """Refused before anything happened: come back after `retry_after` seconds. `code` is the short code of the wire."""

    tag = "Overloaded"

    def __init__(self, code: str, message: str, retry_after: float = 1.0) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after = retry_after


class StorageError(ReactorError):
    """The data file cannot be used as asked."""

    tag = "StorageError"


class StorageLocked(StorageError):
    """Another process holds the writer's or the server's lock on this data folder."""

    tag = "StorageLocked"


class StaleWriter(StorageError):
    """A newer epoch owns the database: this writer must end."""

    tag = "StaleWriter"


class ForeignCommit(StorageError):
    """Somebody else committed to the live database file."""

    tag = "ForeignCommit"


class NotPrepared(ReactorError):
    """Too much has changed since a push was prepared: another round is needed."""

    tag = "NotPrepared"


class WriterDied(ReactorError):
    """The writer process ended before it did what it was asked."""

    tag = "WriterDied"


class TransferRefused(ReactorError):
    """An archive, an import, a backup or a restore cannot be; nothing has changed, and the text says why."""

    tag = "TransferRefused"


class BundleBroken(ReactorError):
    """User code that cannot be loaded. `traceback` is the text for the developer's terminal."""

    tag = "BundleBroken"

    def __init__(self, traceback: str) -> None:
        super().__init__(traceback.strip().rsplit("\n", 1)[-1])
        self.traceback = traceback
