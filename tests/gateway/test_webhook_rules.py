"""Webhooks reach public addresses, and no others but those that were allowed."""

from __future__ import annotations

import pytest

from rayfaas.errors import BadRequest, Forbidden
from rayfaas.gateway.webhook_rules import WebhookRules

NOT_PUBLIC = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::",
    "2001:0:808:808::f7f7:f7f7", "64:ff9b:1::7f00:1", "::7f00:1", "fec0::1", "4000::1", "192.0.0.192", "168.63.129.16",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_public_is_not_reached(address: str) -> None:
    assert not WebhookRules().allows(address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Forbidden, match="--webhook-network"):
        WebhookRules().check(f"https://{host}/done")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_public_is(address: str) -> None:
    assert WebhookRules().allows(address)


def test_what_was_allowed_is_reached_and_nothing_beside_it() -> None:
    rules = WebhookRules(["10.1.0.0/16", "::1/128"])
    assert rules.allows("10.1.2.3")
    assert rules.allows("::1")
    assert not rules.allows("10.2.0.1")
    assert not rules.allows("127.0.0.1")


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequest, match="are written as"):
        WebhookRules(["10.1.0.1/16"])


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "ftp://example.com", "file:///etc/passwd", "https://", "https://user:secret@example.com/",
        "https://example.com/" + "x" * 2048, "http://[::1", "javascript:alert(1)", "http://example.com:x/",
        "http://example.com:99999/", "http://example.com:0/", "http://xn--/", "http://xn--zzzzzzz---/",
    ],
)  # fmt: skip
def test_what_is_no_url_for_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(BadRequest):
        WebhookRules().check(url)


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1", "0"])
async def test_a_name_that_leads_to_what_is_not_public_is_found_out_when_it_is_dialled(host: str) -> None:
    with pytest.raises(Forbidden):
        await WebhookRules().resolve(host, 80)
