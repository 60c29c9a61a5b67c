"""The kinds of functions, and who may call them."""

from __future__ import annotations

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["query", "mutation", "action"]
Visibility: TypeAlias = Literal["public", "internal"]
Concurrency: TypeAlias = Literal["own", "shared"]  # an action's process: its own while it runs, or one for all of them
