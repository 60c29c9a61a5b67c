"""Model: a convenient base for the objects that functions take and return. Any pydantic model does as well."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A pydantic model that is strict, refuses unknown fields, and lets a field be called `model_…`."""

    model_config = ConfigDict(
        strict=True, extra="forbid", protected_namespaces=(), validate_by_name=True, validate_by_alias=False
    )
