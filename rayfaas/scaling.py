"""Scaling that is changed without a deploy, and what of it a deploy leaves alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rayfaas.errors import BadRequest
from rayfaas.spec import Frozen, Scaling


class Rescale(Frozen):
    """The body of the request that changes a function's scaling: what is not said stays.

    >>> Rescale(max_replicas=8).scaling(Scaling(min_replicas=1)).max_replicas
    8
    """

    min_replicas: Annotated[int, Field(strict=True, ge=0, le=10_000)] | None = None
    max_replicas: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    target_concurrency: Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)] | None = None
    scale_down_after_s: Annotated[float, Field(strict=True, ge=0, le=31_536_000, allow_inf_nan=False)] | None = None
    message: Annotated[str, Field(max_length=4096)] = ""

    def scaling(self, now: Scaling) -> Scaling:
        """What is to be in force in place of `now`. Raises `BadRequest`."""
        given = self.model_dump(exclude={"message"}, exclude_none=True)
        if not given:
            raise BadRequest(f"Say what is to change: {', '.join(Scaling.model_fields)}.")
        scaling = now.model_copy(update=given)
        if scaling.min_replicas > scaling.max_replicas:
            raise BadRequest(
                f"min_replicas {scaling.min_replicas} is more than max_replicas {scaling.max_replicas}: change both."
            )
        return scaling


def redeclared(scaling: Scaling, before: Scaling, now: Scaling) -> Scaling:
    """What is in force after a deploy that declares `now`, where the deploy before it declared `before`.

    What somebody set since then stays, unless the declaration of it has changed.

    >>> redeclared(Scaling(min_replicas=3), Scaling(), Scaling(max_replicas=20))
    Scaling(min_replicas=3, max_replicas=20, target_concurrency=2.0, scale_down_after_s=300.0)
    """
    changed = {name: value for name, value in now if value != getattr(before, name)}
    return scaling.model_copy(update=changed)
