"""How is an application tested? On the real engine, in the process of its tests.

`TestBackend` calls functions on a real database; `ManualClock` is a time that tests turn. Nothing here is imported by the
product itself.
"""

from reactor.testing.backend import TestBackend
from reactor.testing.manual_clock import ManualClock

__all__ = ["ManualClock", "TestBackend"]
