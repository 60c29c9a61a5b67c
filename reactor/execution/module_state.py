"""Whether a loaded module could be keeping something: then whoever calls it may leave something there.

Says no only for what it knows: constants, classes without containers, functions that close over such.
"""

from __future__ import annotations

import logging
import re
import types
import typing
from functools import _lru_cache_wrapper
from typing import Any

from reactor.definitions.function import Function

_CONSTANTS = (
    str, bytes, int, float, complex, type(None), frozenset, re.Pattern, types.ModuleType, types.GenericAlias,
    types.UnionType, types.BuiltinFunctionType, logging.Logger, typing.TypeVar, typing.ParamSpec, Function,
    _lru_cache_wrapper,
)  # fmt: skip
_CONTAINERS = (list, dict, set)


def keeps_state(module: types.ModuleType) -> bool:
    """Whether anything in it may change when it is used."""
    look = _Look(module.__name__)
    return any(look.may_change(value) for name, value in vars(module).items() if name[:2] != "__")


class _Look:
    def __init__(self, module: str) -> None:
        self._module = module
        self._seen: set[int] = set()

    def may_change(self, value: Any) -> bool:
        if isinstance(value, _CONSTANTS) or id(value) in self._seen:
            return False
        self._seen.add(id(value))
        if isinstance(value, tuple):
            return any(map(self.may_change, value))
        if isinstance(value, type):
            return value.__module__ == self._module and self._collects(value)
        if isinstance(value, types.FunctionType):
            return value.__module__ == self._module and self._remembers(value)
        return type(value).__module__ not in ("typing", "types", "__future__")

    def _collects(self, kind: type) -> bool:
        """A class that holds a container, or is told of its subclasses."""
        return "__init_subclass__" in vars(kind) or any(
            isinstance(value, _CONTAINERS)
            for name, value in vars(kind).items()
            if name[:2] != "__" and name != "model_config"
        )

    def _remembers(self, function: types.FunctionType) -> bool:
        kept = [*vars(function).values(), *(cell.cell_contents for cell in function.__closure__ or () if _filled(cell))]
        return any(map(self.may_change, kept))


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # asking is what raises
    except ValueError:
        return False
    return True
