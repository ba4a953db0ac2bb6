"""The providers: where each adapter is, and what to install for it. An SDK is loaded when its adapter is opened."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from rayfaas.cloud.adapter import Adapter
from rayfaas.cloud.prices import Prices
from rayfaas.errors import BadRequest, NotFound

# name: (module:class, the extra of the package that it needs)
PROVIDERS: dict[str, tuple[str, str]] = {
    "aws": ("rayfaas.cloud.aws:AwsAdapter", "aws"),
    "azure": ("rayfaas.cloud.azure:AzureAdapter", "azure"),
    "gcp": ("rayfaas.cloud.gcp:GcpAdapter", "gcp"),
    "kubernetes": ("rayfaas.cloud.kubernetes:KubernetesAdapter", "kubernetes"),
    "lambda_labs": ("rayfaas.cloud.lambda_labs:LambdaLabsAdapter", ""),
    "local": ("rayfaas.cloud.local:LocalAdapter", ""),
    "memory": ("rayfaas.cloud.memory:MemoryAdapter", ""),
    "ray": ("rayfaas.cloud.ray:RayAdapter", ""),
    "sagemaker": ("rayfaas.cloud.sagemaker:SagemakerAdapter", "aws"),
    "ssh": ("rayfaas.cloud.ssh:SshAdapter", ""),
}


def open_adapter(provider: str, owner: str, settings: Mapping[str, Any] | None = None) -> Adapter:
    """The adapter of a provider for an owner's machines. Nothing is sent to the provider yet.

    `settings` are the arguments of the adapter's class; `prices` may be a table of the user's own. Raises `NotFound`
    for an unknown provider, and `BadRequest` for settings that it does not have or a library that is not installed.

        open_adapter("aws", owner, {"regions": ["us-east-1", "us-west-2"]})
    """
    if provider not in PROVIDERS:
        raise NotFound(f"There is no provider {provider!r}. There are {', '.join(PROVIDERS)}.")
    adapter = _load(provider)
    given = dict(settings or {})
    if isinstance(given.get("prices"), Mapping):
        given["prices"] = Prices.dated(given["prices"])
    try:
        bound = inspect.signature(adapter).bind(owner, **given)
        for name, value in given.items():
            _check_kind(name, value, str(inspect.signature(adapter).parameters[name].annotation))
        opened: Adapter = adapter(*bound.args, **bound.kwargs)
    except (TypeError, ValueError) as error:
        raise BadRequest(
            f"The settings of {provider} don't fit: {error}. Its settings are: {', '.join(settings_of(provider))}. "
            f"They are written under [{provider}] in clouds.toml; docs/clouds/{provider}.md tells what they are."
        ) from None
    return opened


def settings_of(provider: str) -> list[str]:
    """The names of a provider's settings."""
    return list(inspect.signature(_load(provider)).parameters)[1:]


def _check_kind(name: str, value: Any, annotation: str) -> None:
    """Raises ValueError where a table or a list is something else: a text would be a list of its letters."""
    if annotation.startswith("Mapping") and not isinstance(value, Mapping):
        raise ValueError(f"{name} is a table, not {value!r}")
    if annotation.startswith("Sequence") and not isinstance(value, list | tuple):
        raise ValueError(f"{name} is a list, as {json.dumps([value], default=str)}, not {value!r}")


def _load(provider: str) -> Any:
    path, extra = PROVIDERS[provider]
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if not extra or (error.name or "").startswith("rayfaas"):
            raise
        raise BadRequest(f"{provider} needs {error.name}: pip install 'rayfaas[{extra}]'") from None
