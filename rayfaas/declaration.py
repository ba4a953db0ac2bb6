"""What `@rayfaas.function(...)` and its like declare: a name, a team, a spec, the data files it needs."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from rayfaas.durations import seconds_of
from rayfaas.errors import BadRequest
from rayfaas.later import Later
from rayfaas.names import check_name, check_team
from rayfaas.requirements import read_pyproject, read_requirements

if TYPE_CHECKING:
    from rayfaas import schedule as schedules
    from rayfaas import spec as models
    from rayfaas.schedule import Schedule
    from rayfaas.spec import Scaling, Spec
else:
    # pydantic is most of what `import rayfaas` would load: a program that declares nothing does without.
    models = Later("rayfaas.spec")
    schedules = Later("rayfaas.schedule")

_MACHINE = ("cpus", "gpus", "memory_mb", "accelerator", "resources")
_ENVIRONMENT = ("packages", "python", "setup")
_SHAPE = (*_MACHINE, "env", "secrets", "ray", "cluster", *_ENVIRONMENT)
_SCALING = ("min_replicas", "max_replicas", "target_concurrency", "scale_down_after_s")
_SPEC = (
    "timeout_s", "concurrency", "preload", "retries", "retry_delay_s", "retry_on", "swap", "access", "result_ttl_s",
    "cache", "record_arguments", "schedule",
)  # fmt: skip

_NAMES = {"preload": "numpy", "retry_on": "OSError", "secrets": "openai", "packages": "torch>=2.5", "setup": "make"}

_FILES = ("requirements", "pyproject", "include")

OPTIONS = ("name", "team", *_SPEC, *_SHAPE, "memory", *_SCALING, *_FILES)

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]i?B?)\s*", re.IGNORECASE)
_MB = {"k": 1e3 / 1e6, "m": 1.0, "g": 1e3, "t": 1e6}
_MIB = {"k": 1024 / 1e6, "m": 1024**2 / 1e6, "g": 1024**3 / 1e6, "t": 1024**4 / 1e6}


# Where a decorator's differ from those of `Spec`: many requests at once, and WebSockets that stay open.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"asgi": {"concurrency": 100, "timeout_s": 3600.0}}


class Options(TypedDict, total=False):
    """The options of the decorators, for type checkers; what they mean is said in `rayfaas.spec`."""

    name: str | None
    team: str | None
    timeout_s: float | None
    concurrency: int | None
    preload: Sequence[str] | None
    retries: int | None
    retry_delay_s: float | None
    retry_on: Sequence[str] | None
    swap: Literal["overlap", "replace"] | None
    result_ttl_s: float | None
    access: Literal["team", "everybody"] | None
    cache: bool | float | str | None
    record_arguments: bool | Sequence[str] | None
    schedule: Schedule | None
    cpus: float | None
    gpus: float | None
    memory_mb: int | None
    memory: str | None
    accelerator: str | None
    resources: Mapping[str, float] | None
    env: Mapping[str, str] | None
    cluster: str | None
    secrets: Sequence[str] | None
    ray: bool | None
    packages: Sequence[str] | None
    requirements: str | None
    pyproject: Sequence[str] | None
    python: str | None
    setup: Sequence[str] | None
    min_replicas: int | None
    max_replicas: int | None
    target_concurrency: float | None
    scale_down_after_s: float | None
    include: Sequence[str] | None


@dataclass(frozen=True)
class Declaration:
    """`include` holds globs of data files, relative to the directory of the function's file, as is `requirements`, a
    file of packages. `pyproject` are extras of the project around it, whose dependencies are then packages too."""

    name: str
    team: str | None
    spec: Spec
    include: tuple[str, ...]
    requirements: str | None = None
    pyproject: tuple[str, ...] | None = None

    @classmethod
    def of(cls, python_name: str, options: Mapping[str, Any], decorator: str = "function") -> Declaration:
        """What the options of a decorator declare. Those that are missing or None have the defaults of `Spec`.

        Raises `BadRequest` that names each option at fault.

        >>> Declaration.of("embed", {"timeout_s": 5}).spec.timeout_s
        5.0
        """
        given = dict(_DEFAULTS.get(decorator, {}))
        given |= {option: value for option, value in options.items() if value is not None}
        what = f"@rayfaas.{decorator} of {python_name}"
        given |= _cache(given, decorator, what)
        given |= _recorded(given, decorator)
        _check_schedule(given, decorator)
        if unknown := sorted(given.keys() - set(OPTIONS)):
            there_are = f"There are: {', '.join(OPTIONS)}."
            raise BadRequest(f"{what} has no option {', '.join(unknown)}. {there_are}{_meant(unknown)}")
        _check_lists(given, what)
        team, requirements, extras = given.get("team"), given.get("requirements"), given.get("pyproject")
        return cls(
            name=check_name(_text(given.get("name", python_name), what, "name")),
            team=None if team is None else check_team(_text(team, what, "team")),
            spec=_spec(given, what),
            include=_globs(given.get("include", ()), what),
            requirements=None if requirements is None else _text(requirements, what, "requirements"),
            pyproject=None if extras is None else _extras(extras, what),
        )

    def spec_at(self, file: Path) -> Spec:
        """The spec with the packages that files name, of the function or class in `file`.

        Raises `BadRequest` where one of them is missing or not understood.
        """
        packages: list[str] = []
        if self.requirements is not None:
            packages += read_requirements(file.absolute().parent / self.requirements)
        if self.pyproject is not None:
            packages += read_pyproject(file, self.pyproject)
        if not packages:
            return self.spec
        merged = {**self.spec.shape.model_dump(), "packages": (*self.spec.shape.packages, *packages)}
        shape = models.parse(models.Shape, merged, f"The packages of {self.name}")
        return self.spec.model_copy(update={"shape": shape})

    @property
    def target(self) -> str:
        """How the function is addressed: `[team/]name`."""
        return f"{self.team}/{self.name}" if self.team else self.name


def _meant(unknown: Sequence[str]) -> str:
    """
    >>> _meant(["timeout", "colour"])
    ' Is timeout_s meant?'
    """
    near = [option for name in unknown for option in get_close_matches(name, OPTIONS, 1)]
    return f" Is {' and '.join(near)} meant?" if near else ""


def _check_lists(given: Mapping[str, Any], what: str) -> None:
    """A text alone would be a list of its letters, and is what people write who have one package."""
    for option, example in _NAMES.items():
        value = given.get(option, ())
        if isinstance(value, str):
            raise BadRequest(f"{what} is not valid: {option} is a list: {option}=[{value!r}]")
        if not isinstance(value, Collection) or not all(isinstance(each, str) for each in value):
            raise BadRequest(f"{what} is not valid: {option} is a list of text, for example {option}=[{example!r}]")


def _spec(given: Mapping[str, Any], what: str) -> Spec:
    shape = models.parse(models.Shape, {**_memory(given, what), **_pick(given, _SHAPE)}, what)
    scaling: Scaling = models.parse(models.Scaling, _pick(given, _SCALING), what)
    if scaling.min_replicas > scaling.max_replicas:
        raise BadRequest(
            f"{what} is not valid: min_replicas ({scaling.min_replicas}) is over max_replicas ({scaling.max_replicas})"
        )
    spec: Spec = models.parse(models.Spec, {**_pick(given, _SPEC), "shape": shape, "scaling": scaling}, what)
    return spec


def _cache(given: Mapping[str, Any], decorator: str, what: str) -> dict[str, Any]:
    """`cache="1h"` in seconds; False is None. Raises `BadRequest`."""
    cache = given.get("cache")
    if cache and decorator == "asgi":
        raise BadRequest("cache= is for functions and classes. An application says by headers what may be kept of it.")
    if isinstance(cache, str):
        try:
            return {"cache": seconds_of(cache)}
        except BadRequest as error:
            raise BadRequest(f"{what} is not valid: cache is True or a time: {error.detail}") from None
    return {"cache": cache or None} if "cache" in given else {}


def _recorded(given: Mapping[str, Any], decorator: str) -> dict[str, Any]:
    """`record_arguments=False` is None. Raises `BadRequest`."""
    wanted = given.get("record_arguments")
    if wanted and decorator == "asgi":
        raise BadRequest("record_arguments= is for functions and classes. An application logs its own requests.")
    return {"record_arguments": wanted or None} if "record_arguments" in given else {}


def _check_schedule(given: Mapping[str, Any], decorator: str) -> None:
    if (schedule := given.get("schedule")) is None:
        return
    if decorator == "cls":
        raise BadRequest(
            'schedule= is for functions. Of a class say the method: rayfaas schedule Model.train "0 8 * * *"'
        )
    if decorator == "asgi":
        raise BadRequest("schedule= is for functions. Have one call the application.")
    if not isinstance(schedule, schedules.Schedule):
        raise BadRequest(f'schedule is rayfaas.Cron("0 8 * * *") or rayfaas.Period(hours=6), not {schedule!r}.')


def _memory(given: Mapping[str, Any], what: str) -> dict[str, int]:
    """`memory="4GB"` in MB."""
    if "memory" not in given:
        return {}
    match = _SIZE.fullmatch(str(given["memory"]))
    if match is None:
        raise BadRequest(f'{what} is not valid: memory is a size such as "4GB" or "512MiB", not {given["memory"]!r}')
    units = _MIB if "i" in match[2].lower() else _MB
    return {"memory_mb": math.ceil(float(match[1]) * units[match[2][0].lower()])}


def _pick(given: Mapping[str, Any], options: tuple[str, ...]) -> dict[str, Any]:
    return {option: given[option] for option in options if option in given}


def _globs(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(glob, str) for glob in value):
        raise BadRequest(f'{what} is not valid: include must be a list of globs, for example include=["labels/*.json"]')
    return tuple(value)


def _extras(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(extra, str) for extra in value):
        raise BadRequest(f'{what} is not valid: pyproject is a list of extras, for example pyproject=["train"] or []')
    return tuple(value)


def _text(value: Any, what: str, option: str) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"{what} is not valid: {option} must be text, not {value!r}")
    return value
