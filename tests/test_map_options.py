"""A map's options are those that its signature says, for `map` and for `starmap`."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from rayfaas import RemoteFunction
from rayfaas.map_options import MapOptions


@pytest.mark.parametrize("method", [RemoteFunction.map, RemoteFunction.starmap])
def test_defaults_are_told_by_the_signature(method: object) -> None:
    parameters = inspect.signature(method).parameters  # type: ignore[arg-type]
    told = {name: parameters[name].default for name in dataclasses.asdict(MapOptions())}
    assert told == dataclasses.asdict(MapOptions())
    assert set(parameters) - set(told) == {"self", "inputs", "progress"}
