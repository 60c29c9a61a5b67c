"""The ways in which clients may spell the path of one function."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

_DEFAULT = ":default"


def spellings(path: str, python_path: str) -> Iterator[str]:
    """Everything that names a function of these paths."""
    wire_module, _, wire_name = path.rpartition(":")
    python_module, _, python_name = python_path.rpartition(":")
    for module, name in product({wire_module, python_module}, {wire_name, python_name}):
        for spelt in (module, f"{module}.js"):
            yield f"{spelt}:{name}"
            if f":{name}" == _DEFAULT:
                yield spelt
