"""What the operator decides about a server, once, at its start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`redact` keeps error texts and log lines of user code from clients; `dev` says that no one else is looking."""

    dev: bool = True
    redact: bool = False
    instance_name: str = "reactor"
