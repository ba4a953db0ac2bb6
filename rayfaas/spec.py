"""What a deploy asks for: a function's spec, the shape of replicas that can run it, the body that publishes it."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from rayfaas.environment import Wanted, digest_of
from rayfaas.errors import BadRequest
from rayfaas.names import CLUSTER
from rayfaas.schedule import Schedule


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# A requirement as pip and uv read it, by name: no option of theirs, no path of the server's.
_Requirement = Annotated[str, Field(pattern=r"^[A-Za-z0-9][^\x00\r\n]*$", max_length=1000)]
_Command = Annotated[str, Field(pattern=r"^[^\x00]+$", max_length=10_000)]
_PYTHON = r"^(3\.\d{1,2}(\.\d{1,2})?|/[^\x00]+)?$"


def _check_python(text: str) -> str:
    if not re.fullmatch(_PYTHON, text, re.ASCII):
        raise ValueError(
            f"{text!r} is no Python for a function: write a version from 3.10 on, such as 3.12 or 3.12.4, or the path "
            "of an interpreter on the nodes, such as /opt/python/bin/python3"
        )
    return text


_Python = Annotated[str, AfterValidator(_check_python), Field(json_schema_extra={"pattern": _PYTHON})]


class Shape(Frozen):
    """What a replica needs to exist. Versions of one shape share a deployment. Without a `cluster` it may be on any.

    `python` is a version, or the path of an interpreter on the nodes. `setup` are commands that are run in the
    environment when its packages are installed. `secrets` are names of the team's secrets. `accelerator` and
    `resources` are Ray's accelerator type and custom resources. With `ray` the function can use the cluster.

    >>> Shape(gpus=1).fits_warm
    False
    """

    cpus: Annotated[float, Field(ge=0, le=1024)] = 1.0
    gpus: Annotated[float, Field(ge=0, le=64)] = 0.0
    memory_mb: Annotated[int, Field(ge=0)] = 0
    accelerator: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    resources: dict[Annotated[str, Field(pattern=r"^[^\x00]+$")], Annotated[float, Field(gt=0)]] = {}
    env: dict[Annotated[str, Field(pattern=r"^[^=\x00]+$")], Annotated[str, Field(pattern=r"^[^\x00]*$")]] = {}
    packages: Annotated[tuple[_Requirement, ...], Field(max_length=2000)] = ()
    python: _Python = ""
    setup: Annotated[tuple[_Command, ...], Field(max_length=100)] = ()
    secrets: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    ray: bool = False

    cluster: Annotated[str, Field(pattern=f"^{CLUSTER}$")] | None = None

    @property
    def fits_warm(self) -> bool:
        """Whether a Warm supervisor may host it: it asks for nothing of the machine that Ray would have to place."""
        return not (self.gpus or self.memory_mb or self.accelerator or self.resources)

    @property
    def wanted(self) -> Wanted | None:
        """The environment of its own that it asks for; None is that of the server."""
        if not (self.packages or self.python or self.setup):
            return None
        return Wanted(self.packages, self.python, self.setup, self.ray)

    @cached_property  # asked for several times a second, for each function that is deployed
    def digest(self) -> str:
        return digest_of(self.model_dump(mode="json"))[:12]


class Scaling(Frozen):
    """How many replicas. Not part of a version's content: changing it makes no new version.

    `target_concurrency` is how many calls in flight one replica is meant to carry; `scale_down_after_s` how long a
    replica without calls is kept.
    """

    min_replicas: Annotated[int, Field(ge=0, le=10_000)] = 0
    max_replicas: Annotated[int, Field(ge=1, le=10_000)] = 10
    target_concurrency: Annotated[float, Field(gt=0, le=1e6)] = 2.0
    scale_down_after_s: Annotated[float, Field(ge=0, le=31_536_000)] = 300.0


class Spec(Frozen):
    """What `@rayfaas.function(...)` says.

    `timeout_s` counts from the moment the gateway accepted a call, queue time included. `concurrency` is how many calls
    one executor runs at the same time (threads for `def`, tasks for `async def`). `preload` names modules that are
    imported in the zygote, before the fork. A spawned call that failed is run again `retries` times, after
    `retry_delay_s` and then twice as long each time; `retry_on` names the exceptions to do so for, if not for all.
    `swap` says what a deploy does with executors of the version before: with `overlap` they go when new ones are up,
    with `replace` they are gone before new ones start, and calls wait meanwhile. `access` says for whom the function is
    from the deploy on, whatever the version; without it that stays as it is, at first for everybody. `result_ttl_s` is
    how long arguments and results of spawned calls are kept after their end, if not as long as the server keeps those
    of others. With `cache` an equal call is answered with the result of an earlier one, for so many seconds or for as
    long as what that read is as it was. With `record_arguments` the arguments of each call are on its record, or those
    that are named, without what is secret. `schedule` says when the function calls itself, once it is `live`; a deploy
    without one ends that.
    """

    timeout_s: Annotated[float, Field(gt=0, le=604_800)] = 300.0
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 1
    preload: tuple[str, ...] = ()
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    retry_delay_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    retry_on: tuple[str, ...] = ()
    swap: Literal["overlap", "replace"] = "overlap"
    result_ttl_s: Annotated[float, Field(gt=0, le=315_360_000)] | None = None
    access: Literal["team", "everybody"] | None = None
    cache: Literal[True] | Annotated[float, Field(gt=0, le=315_360_000)] | None = None
    record_arguments: Literal[True] | Annotated[tuple[str, ...], Field(min_length=1, max_length=100)] | None = None
    schedule: Schedule | None = None
    shape: Shape = Shape()
    scaling: Scaling = Scaling()

    @property
    def cache_ttl_s(self) -> float | None:
        """How long a result may be used again; None: for as long as it holds."""
        return None if self.cache is True else self.cache


class Entry(Frozen):
    """Where in a bundle the function or class is: `module` and `name`, or a pickle made from a notebook's cell."""

    kind: Literal["module", "pickle"] = "module"
    module: str
    name: str


class Provenance(Frozen):
    """Who made this code, and from which commit. Recorded, not part of the content."""

    git_commit: str | None = None
    git_dirty: bool | None = None
    git_remote: str | None = None
    python: str | None = None
    message: str | None = None


class Publish(Frozen):
    """The body of `POST /v1/functions/{team}/{name}/versions`.

    `expected` is the revision of the alias that the deploy was made against: it is refused where somebody else has
    moved the alias since. `breaking` allows what breaks those who call the function.
    With `upgrade` packages are resolved anew; else the function keeps the versions that it has, while it asks for the
    same.
    """

    bundle: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    entry: Entry
    spec: Spec = Spec()
    syntax_digest: str = ""
    provenance: Provenance = Provenance()
    alias: str = "live"
    upgrade: bool = False
    deadline_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    expected: Annotated[int, Field(ge=0)] | None = None
    breaking: bool = False

    def content_digest(self) -> str:
        """The digest of what makes a version: code, entry and spec without what is the function's."""
        spec = self.spec.model_dump(mode="json", exclude={"scaling", "access", "schedule"}, exclude_none=True)
        return digest_of([self.bundle, self.entry.model_dump(mode="json"), spec])


class Planned(Frozen):
    """The body of `POST /v1/functions/{team}/{name}/plan`: what would be published, with the SHA-256 of each file."""

    publish: Publish
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = {}


def parse(model: type[BaseModel], value: Any, what: str) -> Any:
    """`value` as `model`, or a `BadRequest` that names each fault and its place."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [
            {"loc": list(e["loc"]), "msg": e["msg"].removeprefix("Value error, "), "type": e["type"]}
            for e in error.errors()
        ]
        text = "; ".join(f"{'.'.join(map(str, f['loc'])) or what}: {f['msg']}" for f in faults)
        raise BadRequest(f"{what} is not valid: {text}", errors=faults) from None
