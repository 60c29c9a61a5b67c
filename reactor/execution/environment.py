"""Environment: what `ctx.env` and `os.environ` show to user code.

Inside a function call both show the deployment's variables, laid over the environment of the process without reactor's
own (the options of its command). In a query or mutation asking is reading: whoever asked for a name is met when that name changes. An
action sees the values of when it began. While the project is imported both show the values of that moment, and which
were asked for is noted: a change of one of those is a change of the code.

`os.environ` is one object that every module may have taken hold of already, so its class is exchanged, not the object.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from typing_extensions import override

from reactor.database.reading import Reading
from reactor.database.variable import ALL_NAMES, is_variable_name
from reactor.errors import ForbiddenHere
from reactor.execution.run import Run, current_run
from reactor.storage.storage import VariableRow

_OURS = frozenset(
    ("REACTOR_ADMIN_KEY", "REACTOR_FILES", "REACTOR_HOST", "REACTOR_PORT", "REACTOR_URL")
)  # options of the command
_Environ = type(os.environ)


class Source(Protocol):
    """Where the deployment's variables come from."""

    def get(self, name: str) -> str | None:
        """The value; None when the deployment has no such variable."""
        ...

    def names(self) -> list[str]:
        """All names."""
        ...

    def change(self, name: str, value: str | None) -> None:
        """User code assigns to it; the deployment's stays as it is. Raises ForbiddenHere where that cannot be."""
        ...


class Tracked:
    """Of a query or mutation: read in its transaction."""

    __slots__ = ("_built_in", "_reading", "_run")

    def __init__(self, run: Run, reading: Reading, built_in: Mapping[str, str]) -> None:
        self._run = run
        self._reading = reading
        self._built_in = built_in  # constant, so asking is no reading

    def get(self, name: str) -> str | None:
        if name in self._built_in or not is_variable_name(name):
            return self._built_in.get(name)
        if not self._run.guard.user_code:  # something of ours, or of Python's, asks while the engine is at work
            return self._reading.variable(name)
        return self._run.engine(self._reading.variable, name)

    def names(self) -> list[str]:
        ask = self._reading.variable_names
        return [*self._built_in, *(self._run.engine(ask) if self._run.guard.user_code else ask())]

    def change(self, name: str, value: str | None) -> None:
        del name, value
        raise ForbiddenHere(
            "A query or mutation cannot change the environment: it must depend on the database only. "
            "Use `reactor env set`, or an action."
        )


class Fixed:
    """Of an action: what was true when it began, and what it assigned itself."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str], built_in: Mapping[str, str]) -> None:
        self._values: dict[str, str | None] = {**values, **built_in}

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def names(self) -> list[str]:
        return [name for name, value in self._values.items() if value is not None]

    def change(self, name: str, value: str | None) -> None:
        self._values[name] = value


class Noted(Fixed):
    """Of an import: which names were asked for is kept."""

    __slots__ = ("_rows", "asked", "built_in")

    def __init__(self, rows: Mapping[str, VariableRow], built_in: Mapping[str, str]) -> None:
        super().__init__({name: row.value for name, row in rows.items()}, built_in)
        self._rows = rows
        self.built_in = built_in
        self.asked: set[str] = set()  # grows with every question

    @override
    def get(self, name: str) -> str | None:
        self.asked.add(name)
        return super().get(name)

    @override
    def names(self) -> list[str]:
        self.asked.add(ALL_NAMES)
        return super().names()

    @property
    def mark(self) -> str:
        """Names the values that were asked for, without telling them: by when they were set. Empty if none was."""
        names = self._rows if ALL_NAMES in self.asked else self.asked & self._rows.keys()
        return ",".join(f"{name}={self._rows[name].ts if name in self.asked else ''}" for name in sorted(names))


class Environment(Mapping[str, str]):
    """`ctx.env`: what `os.environ` shows in the same call."""

    __slots__ = ("source",)

    def __init__(self, source: Source) -> None:
        self.source = source

    @override
    def __getitem__(self, name: str) -> str:
        value = self.source.get(name)
        if value is not None:
            return value
        if name in _OURS:
            raise KeyError(name)
        return _Environ.__getitem__(os.environ, name)

    @override
    def __iter__(self) -> Iterator[str]:
        names = self.source.names()
        yield from names
        known = set(names)
        for name in list(_Environ.__iter__(os.environ)):
            if name not in known and name not in _OURS:
                yield name

    @override
    def __len__(self) -> int:
        return sum(1 for _name in self)

    @override
    def __repr__(self) -> str:
        """The names: values may be secrets."""
        return f"environ({sorted(self)})"


class _Overlaid(_Environ):  # type: ignore[valid-type,misc]  # a class of the standard library without a public name
    """`os.environ`, which shows a call its own environment and everybody else the one of the process."""

    def __getitem__(self, name: str) -> str:
        seen = _seen()
        if seen is None or not isinstance(name, str):  # a TypeError, in the words of the class above
            return str(super().__getitem__(name))
        return seen[name]

    def __iter__(self) -> Iterator[str]:
        seen = _seen()
        return super().__iter__() if seen is None else iter(seen)

    def __len__(self) -> int:
        seen = _seen()
        return super().__len__() if seen is None else len(seen)

    def __setitem__(self, name: str, value: str) -> None:
        seen = _seen()
        if seen is not None:
            seen.source.change(name, value)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        seen = _seen()
        if seen is not None:
            seen[name]  # KeyError when it is not there
            seen.source.change(name, None)
            if not _Environ.__contains__(self, name):
                return
        super().__delitem__(name)

    def __repr__(self) -> str:
        seen = _seen()
        return super().__repr__() if seen is None else repr(seen)


_loading: Environment | None = None  # set while a project is imported, by imported()


def _seen() -> Environment | None:
    run = current_run()
    return _loading if run is None else run.environment


def install() -> None:
    """Let `os.environ` show calls what is theirs. Doing it again changes nothing."""
    os.environ.__class__ = _Overlaid


@contextmanager
def imported(source: Noted) -> Iterator[None]:
    """While the block imports user code, `os.environ` shows what `source` has."""
    global _loading
    _loading = Environment(source)
    try:
        yield
    finally:
        _loading = None
