"""Usage: what calls came to, in groups by whatever is asked. A call inside a call counts for the team that began the
chain; `via` names the function that made it.

With `cost`, it tells what of the machines' price they were, and lines of their own what machines cost that nobody held:
`idle` names their cluster and group there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rayfaas.errors import BadRequest
from rayfaas.registry.database import now_us
from rayfaas.registry.query import Window
from rayfaas.registry.statements import load

_SQL = load("usage.sql")

_COLUMNS = (
    "function", "version", "method", "alias", "caller", "team", "owner", "via", "state", "code", "orchestrator", "flow",
    "flow_run", "task", "schedule", "cluster", "node", "hardware", "shape",
)  # fmt: skip
BY: dict[str, str] = {
    **{column: column for column in _COLUMNS},
    **{unit: f"date_trunc('{unit}', accepted_at) AS {unit}" for unit in ("hour", "day", "week", "month")},
}
"""What calls may be grouped by, each with its SQL."""
# The same of the view `costs`, where that is called otherwise.
_OF_COSTS = {"cluster": "ray_cluster AS cluster", "node": "ray_node AS node"}


class Usage(NamedTuple):
    """A question. `since_s` and `until_s` are seconds ago; `function` may lack its team; `team` is the callers'."""

    by: Sequence[str]
    since_s: float
    until_s: float = 0.0
    function: str | None = None
    team: str | None = None
    rows: int = 1000
    cost: bool = False

    def query(self) -> tuple[str, list[Any]]:
        """As a user's query, with its parameters. Raises `BadRequest`.

        >>> Usage(["team"], since_s=3600).query()[0].splitlines()[0]
        'SELECT team,'
        """
        unknown = [each for each in self.by if each not in BY]
        if unknown or not self.by:
            named = f"{', '.join(unknown)} is nothing" if unknown else "Say what"
            raise BadRequest(f"{named} to group calls by. There are: {', '.join(BY)}.")
        return self._text(), [self.since_s, self.until_s, self.function, self.team, self.rows]

    @property
    def window(self) -> Window:
        """The time in which money is counted, and calls; calls of any age may have made one of those."""
        now = now_us()
        since, until = now - int(self.since_s * 1e6), now - int(self.until_s * 1e6)
        return Window(since, until, 0 if "via" in self.by else since)

    def _text(self) -> str:
        names = list(dict.fromkeys(self.by))
        by, calls = ", ".join(BY[each] for each in names), _of("calls", names)
        if not self.cost:
            usage = _SQL["usage"].format(by=by, calls=_SQL["begun"].format(calls=calls), ran="")
            return f"{usage}\n{_SQL['most']}"
        usage = _SQL["usage"].format(by=by, calls=_SQL["begun_or_paid"].format(calls=calls), ran=_SQL["ran"])
        return _SQL["with_cost"].format(
            counted=usage,
            of_costs=", ".join(_OF_COSTS.get(each, BY[each]) for each in names),
            costs=_of("costs", names),
            same=" AND ".join(f"c.{each} IS NOT DISTINCT FROM m.{each}" for each in names),
            most=_SQL["most"],
            cluster="cluster, " if "cluster" in names else "",
            those=f" {_SQL['those']}" if self.function or self.team else "",
        )


def _of(view: str, names: Sequence[str]) -> str:
    return _SQL["with_via"].format(view=view) if "via" in names else view
