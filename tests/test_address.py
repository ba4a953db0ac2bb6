"""Addresses are what they say, and nothing else is one."""

from __future__ import annotations

import pytest

from rayfaas.address import NetworkAddress, join_host_port, parse_address, split_host_port
from rayfaas.errors import ProtocolError


@pytest.mark.parametrize("address", [NetworkAddress("10.0.0.1", 1, "ab"), NetworkAddress("::1", 65535, "cd")])
def test_network_addresses_come_back_as_they_were(address: NetworkAddress) -> None:
    assert parse_address(str(address)) == address
    assert split_host_port(join_host_port(address.host, address.port)) == (address.host, address.port)


def test_a_unix_address_is_its_path() -> None:
    assert parse_address("unix:/run/a:b.sock") == "/run/a:b.sock"


@pytest.mark.parametrize("text", ["", "unix:", "tls:", "tls:h:1:", "tls:h:70000:ab", "tls:h:-1:ab", "tcp:h:1:ab", "x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="neither unix:PATH nor tls:HOST:PORT:FINGERPRINT"):
        parse_address(text)


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:0", "host:x", "host:65536", "host:８０"])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        split_host_port(text)
