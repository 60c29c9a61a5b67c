"""How `reactor env`, where no server runs, tells a `reactor dev` that waits for a variable."""

from __future__ import annotations

CHANGED_OFFLINE = "environment_changed"  # touched in the data folder: `reactor dev` may be waiting for a variable
