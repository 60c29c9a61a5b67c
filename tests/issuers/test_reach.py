"""Which addresses the server fetches from (reliability row 104)."""

from __future__ import annotations

import pytest

from reactor.issuers.reach import PUBLIC, NotReachable, Reach

PRIVATE = [
    "127.0.0.1",
    "127.255.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_unless_listed(address: str) -> None:
    with pytest.raises(NotReachable, match=r"private_hosts = \[\"login\.example\"\]"):
        PUBLIC.check("https", "login.example", 443, [address])
    for reach in (Reach(private=True), Reach(hosts=["login.example"]), Reach(hosts=["login.example:443"])):
        reach.check("https", "login.example", 443, [address])
        reach.check("http", "login.example", 443, [address])
    with pytest.raises(NotReachable):
        Reach(hosts=["login.example:80", "example"]).check("https", "login.example", 443, [address])


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"])
def test_public_addresses_are_reached_by_https_alone(address: str) -> None:
    PUBLIC.check("https", "login.example", 443, [address])
    for reach in (PUBLIC, Reach(private=True), Reach(hosts=["login.example"])):
        with pytest.raises(NotReachable, match="must be https"):
            reach.check("http", "login.example", 80, [address])


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(NotReachable):
        PUBLIC.check("https", "login.example", 443, ["1.1.1.1", "127.0.0.1"])
    with pytest.raises(NotReachable, match="must be https"):
        Reach(private=True).check("http", "login.example", 80, ["127.0.0.1", "1.1.1.1"])
