"""How does reactor live inside another ASGI application? As one of its mounts, called in-process by its other parts."""

from reactor.embedding.calls import Calls
from reactor.embedding.embedded import Embedded

__all__ = ["Calls", "Embedded"]
