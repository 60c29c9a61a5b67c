"""Variable: what an environment variable of the deployment may be called, and a change of one."""

from __future__ import annotations

import re
from typing import NamedTuple

ALL_NAMES = "*"  # among the names an import asked for: it asked which there are
BUILT_IN = ("CONVEX_CLOUD_URL", "CONVEX_SITE_URL")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class VariableChange(NamedTuple):
    """A variable and its new value; None takes it away."""

    name: str
    value: str | None

    def __repr__(self) -> str:
        """Without the value: it may be a secret."""
        return f"VariableChange({self.name!r})"


def is_variable_name(name: str) -> bool:
    """Whether a variable could have that name, lengths aside."""
    return _NAME.fullmatch(name) is not None
