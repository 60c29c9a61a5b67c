"""sqlite-utils without numpy and pandas, which it takes along wherever they are installed: for types that never come here, and
at the price of a good part of a second."""

from __future__ import annotations

import sys

__all__ = ["sqlite_utils"]

_hidden = [name for name in ("numpy", "pandas") if name not in sys.modules]
for _name in _hidden:
    sys.modules[_name] = None  # type: ignore[assignment]  # Python's own way to say: there is none
try:
    import sqlite_utils
finally:
    for _name in _hidden:
        del sys.modules[_name]
