"""The vector library: numpy, loaded before runners are forked, and only for a schema that has a vector index."""

from __future__ import annotations

import os
import sys

from reactor.definitions.schema import Schema
from reactor.errors import DefinitionError

_THREADS = "OPENBLAS_NUM_THREADS"


def prepare_vectors(schema: Schema) -> None:
    """Import what vector indexes need. Raises DefinitionError where it is not installed."""
    declared = [
        f"{table.cls.__name__}.{name}" for table in schema.tables.values() for name in table.declared_vector_indexes
    ]
    if not declared or sys.modules.get("numpy") is not None:
        return
    # A search waits for memory, not for arithmetic: more threads gain little, and would be started in every runner. Code
    # that imports numpy by itself decides for itself.
    decides = _THREADS not in os.environ
    if decides:
        os.environ[_THREADS] = "1"
    try:
        import numpy as np  # noqa: F401  # 60 ms and 25 MB: here, and not in projects without vectors
    except ImportError:
        raise DefinitionError(
            f"{declared[0]}: a vector index needs numpy. Install it with: pip install 'reactor-backend[vectors]'"
        ) from None
    finally:
        if decides:
            del os.environ[_THREADS]
