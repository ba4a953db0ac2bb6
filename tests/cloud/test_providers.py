from __future__ import annotations

import sys
from typing import Any

import pytest

from rayfaas.cloud.adapter import Adapter
from rayfaas.cloud.machine import Machine
from rayfaas.cloud.prices import Price
from rayfaas.cloud.providers import PROVIDERS, open_adapter, settings_of
from rayfaas.errors import BadRequest, NotFound
from tests.cloud.conformance import OWNER

SETTINGS: dict[str, dict[str, Any]] = {
    "aws": {"regions": ["us-east-1"]},
    "azure": {"subscription": "s", "resource_group": "g", "subnet": "/n", "ssh_key": "ssh-ed25519 AAAA"},
    "gcp": {"project": "p"},
    "kubernetes": {"manifests": {}},
    "lambda_labs": {"ssh_keys": ["mine"]},
    "local": {},
    "memory": {},
    "ray": {"clusters": {"shared": "127.0.0.1:6379"}},
    "sagemaker": {"regions": ["us-east-1"], "image": "i", "role": "r", "output": "s3://b/o"},
    "ssh": {"hosts": {"rack1": {"address": "192.0.2.1"}}},
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_opens_without_sending_anything(provider: str) -> None:
    adapter: Adapter = open_adapter(provider, OWNER, SETTINGS[provider])
    assert adapter.owner == OWNER
    assert adapter.capabilities.create == (provider != "ray")
    assert "prices" in settings_of(provider)


def test_a_provider_that_there_is_not_is_answered_with_those_that_are() -> None:
    with pytest.raises(NotFound, match="lambda_labs"):
        open_adapter("lambda", OWNER)


def test_settings_that_do_not_fit_are_answered_with_those_that_do() -> None:
    with pytest.raises(BadRequest, match=r"region.*Its settings are: regions, image, launch"):
        open_adapter("aws", OWNER, {"region": "us-east-1"})


@pytest.mark.parametrize(
    ("provider", "settings", "said"),
    [
        ("aws", {"regions": "us-east-1"}, 'regions is a list, as ["us-east-1"]'),
        ("ssh", {"hosts": 3}, "hosts is a table, not 3"),
        ("ssh", {"hosts": {"rack1": {"addres": "192.0.2.1"}}}, "addres"),
        ("ssh", {"hosts": {"rack1": "192.0.2.1"}}, "docs/clouds/ssh.md"),
    ],
)
def test_settings_of_another_kind_are_answered_with_what_to_write(
    provider: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        open_adapter(provider, OWNER, settings)
    assert said in refused.value.detail


def test_a_library_that_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "rayfaas.cloud.aws", raising=False)
    with pytest.raises(BadRequest, match=r"pip install 'rayfaas\[aws\]'"):
        open_adapter("aws", OWNER, SETTINGS["aws"])


def test_prices_of_the_user_are_settings() -> None:
    adapter = open_adapter("memory", OWNER, {"prices": {"memory/*/gpu": 0.5}})
    assert adapter.price(Machine("gpu", "zone-a")) == Price(0.5, "", "user")
