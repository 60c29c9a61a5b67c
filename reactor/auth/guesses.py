"""Guesses: how often each address gave a wrong key lately. Pure: the time is an argument.

An address that guessed too often is not looked at for the rest of the minute, whatever it brings: whoever guesses learns
nothing, and whoever owns the key and sits behind the same address waits a minute.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque

WINDOW = 60.0  # seconds a failure counts
_ADDRESSES = 10_000  # remembered: beyond, the one that failed longest ago is forgotten


class Guesses:
    """Of one server."""

    __slots__ = ("_failures", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()  # address → when; the latest to fail is last

    def wait(self, address: str, now: float) -> float:
        """Seconds until the address may try again; 0 when it may now."""
        times = self._failures.get(_network(address))
        if times is None:
            return 0.0
        while times and times[0] <= now - WINDOW:
            times.popleft()
        return max(times[0] + WINDOW - now, 0.0) if len(times) >= self._most else 0.0

    def failed(self, address: str, now: float) -> None:
        """A key from there was wrong."""
        network = _network(address)
        self._failures.setdefault(network, deque(maxlen=self._most)).append(now)
        self._failures.move_to_end(network)
        if len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)


def _network(address: str) -> str:
    """One customer of a provider has one IPv4 address, and 2^64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)
