"""Reach: which addresses the server may fetch from. Projects name addresses; what they resolve to is checked here.

Without this rule a discovery document could send the server into the operator's own network, or to a cloud's metadata
service. Private addresses are refused unless the operator lists the host; `reactor dev` lists them all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from reactor.errors import DefinitionError

_NAT64 = ip_network("64:ff9b::/96")


class NotReachable(DefinitionError):
    """An address this server does not fetch from."""

    tag = "NotReachable"


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be fetched beside public https addresses."""

    private: bool = False  # every private address
    hosts: Collection[str] = ()  # or these: "keycloak.internal", "127.0.0.1:9000"

    def check(self, scheme: str, host: str, port: int, addresses: Collection[str]) -> None:
        """Whether all that the host resolved to may be connected to. Raises NotReachable."""
        inner = [address for address in addresses if not _is_public(address)]
        listed = self.private or host in self.hosts or f"{host}:{port}" in self.hosts
        if inner and not listed:
            raise NotReachable(
                f"{host} is an address of a private network ({inner[0]}), which this server does not fetch from. To "
                f'allow it, set private_hosts = ["{host}"] in [tool.reactor] of pyproject.toml.'
            )
        if scheme != "https" and len(inner) != len(addresses):
            raise NotReachable(f"{scheme}://{host} is not fetched from: it must be https.")


PUBLIC = Reach()  # no private address


def _is_public(text: str) -> bool:
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            address = IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            inner = (address.ipv4_mapped, address.sixtofour, address.teredo[1] if address.teredo else None)
            address = next((each for each in inner if each is not None), address)
    return address.is_global and not address.is_multicast
