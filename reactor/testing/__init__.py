"""How is an application tested? On the real engine, in the process of its tests.

`TestBackend` calls functions on a real database; `ManualClock` is a time that tests turn. Nothing here is imported by the
product itself.
"""

from reactor.auth.webhook import signed_headers
from reactor.testing.acting import Acting
from reactor.testing.backend import TestBackend
from reactor.testing.fetched import FetchedResponse
from reactor.testing.live_query import LiveQuery, NothingNew
from reactor.testing.loaded import LoadedProject
from reactor.testing.manual_clock import ManualClock

__all__ = [
    "Acting",
    "FetchedResponse",
    "LiveQuery",
    "LoadedProject",
    "ManualClock",
    "NothingNew",
    "TestBackend",
    "signed_headers",
]
