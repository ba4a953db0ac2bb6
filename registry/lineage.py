"""Lineage: what is upstream or downstream of an artifact, a call or a version, walked step by step.

Each step is one statement for all that the last one found. A team walks through what it may see, as in SQL; beyond
that the graph ends, as it does where nothing was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from rayfaas.errors import BadRequest, NotFound
from rayfaas.graph import MOST_DEPTH, Direction, Edge, Graph, Node
from rayfaas.names import LIVE, Target, is_call
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row, begun_us, moment
from rayfaas.registry.statements import load
from rayfaas.registry.writers import At, Writers

_SQL = load("lineage.sql")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:/", re.ASCII)
MOST_NODES = 2_000
# Statements that find whose results calls had, and who had theirs, with the kind of edge.
_UPSTREAM = {"made_by": "called", "given_by": "gave"}
_DOWNSTREAM = {"makers_of": "called", "given_to": "gave"}


class Question(NamedTuple):
    """`of` is a URI, the id of a call, or a target; `team` is that of a target that names none. `depth` counts calls.

    Nothing that was recorded after `as_of_us` counts. `version` is the artifact's, the newest where none is said.
    """

    of: str
    team: str
    direction: Direction = "upstream"
    depth: int = 10
    as_of_us: int | None = None
    version: str | None = None


class Lineage:
    """May be asked from several threads at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def graph(self, question: Question, team: str | None) -> Graph:
        """Raises `BadRequest` for what is no question, `NotFound` for what is not known, or not to `team`."""
        if not 0 < question.depth <= MOST_DEPTH:
            raise BadRequest(f"depth is from 1 to {MOST_DEPTH}.")
        return _Walk(self._database, question, team).graph()


class _Walk:
    """One walk; `graph` is called once."""

    def __init__(self, database: Database, question: Question, team: str | None) -> None:
        self._database, self._question, self._team = database, question, team
        self._as_of = now_us() if question.as_of_us is None else question.as_of_us
        self._is_upstream = question.direction == "upstream"
        self._nodes: dict[str, Node] = {}
        self._executors: dict[str, str | None] = {}  # by call
        self._edges: dict[tuple[str, str, str], Edge] = {}
        self._stood: set[tuple[int, str | None]] = set()
        self._is_cut = False
        self._written_by = Writers(self._run)

    def graph(self) -> Graph:
        start, calls, artifacts = self._start()
        for _ in range(self._question.depth):
            calls += self._writers(artifacts) if self._is_upstream else self._readers(artifacts)
            artifacts = self._touched_by(self._called(calls))
            calls = []
            if not artifacts or self._is_cut:
                break
        else:
            self._is_cut |= bool(artifacts)
        return Graph(start, self._question.direction, list(self._nodes.values()), self._judged(), self._is_cut)

    # Where it starts

    def _start(self) -> tuple[str, list[str], list[At]]:
        """The first node, and the calls and the artifacts that it stands for."""
        of = self._question.of
        if is_call(of):
            calls = self._describe([of.lower()])
            if not calls:
                raise NotFound(f"There is no call {of} that you may see.")
            return calls[0], calls, []
        if _URI.match(of):
            at = self._artifact_at(of)
            return at.node, [], [at]
        return self._version(Target.parse(of))

    def _artifact_at(self, uri: str) -> At:
        found = self._run("newest", uri=uri, version=self._question.version)
        if not found:
            asked = f"{uri}{_in(self._question.version)}{_by(self._question.as_of_us)}"
            raise NotFound(f"No call that you may see has read or written {asked}.")
        return self._artifact(found[0], None, self._as_of if self._is_upstream else 0)

    def _version(self, target: Target) -> tuple[str, list[str], list[At]]:
        owner, alias = target.team or self._question.team, target.alias or LIVE
        named = {"owner": owner, "name": target.name, "number": target.version, "alias": alias}
        found = self._run("version_of", **named)
        if not found:
            raise NotFound(f"There is no version {target}. `rayfaas functions` lists what there is.")
        row = found[0]
        node = Node(
            f"{row['function']}:{row['version']}", "version", function=row["function"], version=row["version"],
            alias=row["alias"], commit=row["commit"], is_dirty=row["is_dirty"],
        )  # fmt: skip
        self._nodes[node.id] = node
        return node.id, [], self._touched_by_version(node)

    def _touched_by_version(self, node: Node) -> list[At]:
        asked = {"function": node.function, "number": node.version, "mode": self._mode, "limit": MOST_NODES}
        artifacts = []
        for row in self._run("touches_of_version", **asked):
            artifacts.append(self._artifact(row, row["call"] if not self._is_upstream else None, row["at_us"]))
            self._touch(node.id, artifacts[-1].node, row)
        return artifacts

    # Its steps

    def _writers(self, artifacts: Sequence[At]) -> list[str]:
        rows = self._written_by.of(self._not_stood_at(artifacts))
        new = self._describe(row["call"] for _, row in rows)
        for at, row in rows:
            if row["call"] in self._nodes:
                self._edge(row["call"], at.node, "wrote", row)
        return new

    def _readers(self, artifacts: Sequence[At]) -> list[str]:
        asked = self._not_stood_at(artifacts)
        nodes = {at.artifact: at.node for at in asked}
        rows = self._written_by.readers(asked, MOST_NODES)
        rows = [*(row for row in rows if row["call"]), *self._for_calls([row for row in rows if not row["call"]])]
        new = self._describe(row["call"] for row in rows)
        for row in rows:
            if row["call"] in self._nodes:
                self._edge(nodes[row["artifact"]], row["call"], "read", row)
        return new

    def _for_calls(self, rows: Sequence[Row]) -> list[Row]:
        """What an executor read as it began, as reads of its calls."""
        executors = list({row["executor"] for row in rows})
        calls = self._run("calls_of_executors", executors=executors, limit=MOST_NODES) if rows else []
        return [{**row, "call": each["call"]} for row in rows for each in calls if each["executor"] == row["executor"]]

    def _called(self, calls: list[str]) -> list[str]:
        """With those whose results they had (upstream), or who had theirs (downstream), whatever the distance."""
        found, latest = list(calls), calls
        while latest and not self._is_cut:
            statements = _UPSTREAM if self._is_upstream else _DOWNSTREAM
            asked = {"calls": latest, "first": min(latest), "last": max(latest), "limit": MOST_NODES}
            rows = [{**row, "kind": kind} for each, kind in statements.items() for row in self._run(each, **asked)]
            made, maker = ("call", "parent")
            latest = self._describe(row[made if self._is_upstream else maker] for row in rows)
            for row in rows:
                if row[made] in self._nodes and row[maker] in self._nodes:
                    self._edge(row[made], row[maker], row["kind"], {})
            found += latest
        return found

    def _touched_by(self, calls: Sequence[str]) -> list[At]:
        if not calls:
            return []
        executors = (
            {each: self._executors[each] for each in calls if self._executors[each]} if self._is_upstream else {}
        )
        asked = {"calls": list(calls), "first": min(calls), "last": max(calls), "mode": self._mode}
        rows = self._run("touches_of_calls", **asked)
        if executors:
            rows += self._run("touches_of_executors", executors=list(set(executors.values())), mode=self._mode)
        artifacts = []
        for row in rows:
            whose = [row["call"]] if row["call"] else [c for c, e in executors.items() if e == row["executor"]]
            for call in whose:
                artifacts.append(self._artifact(row, call, row["at_us"]))
                self._touch(call, artifacts[-1].node, row)
        return artifacts

    def _judged(self) -> list[Edge]:
        """The edges; what another call may have written at the same time is not certain."""
        written = [
            (edge.source, self._nodes[edge.target].uri or "") for edge in self._edges.values() if _is_write(edge)
        ]
        rivals = self._written_by.rivals(written) if written else set()
        return [
            msgspec.structs.replace(edge, is_certain=False)
            if _is_write(edge) and (edge.source, self._nodes[edge.target].uri) in rivals
            else edge
            for edge in self._edges.values()
        ]

    # What it finds

    def _describe(self, calls: Iterable[str]) -> list[str]:
        """Add those that are new, and may be seen; their ids."""
        new = [call for call in dict.fromkeys(calls) if call not in self._nodes]
        if len(self._nodes) + len(new) > MOST_NODES:
            self._is_cut = True
            new = new[: max(0, MOST_NODES - len(self._nodes))]
        rows = self._run("call_details", calls=new, first=min(new), last=max(new)) if new else []
        for row in rows:
            self._executors[row["call"]] = row.pop("executor")
            at, ended_us = moment(row.pop("accepted_us")).isoformat(), row.pop("ended_us")
            ended_at = None if ended_us is None else moment(ended_us).isoformat()
            self._nodes[row["call"]] = Node(row["call"], "call", at=at, ended_at=ended_at, **row)
        return [call for call in new if call in self._nodes]

    def _artifact(self, row: Row, call: str | None, at_us: int) -> At:
        name = f"{row['uri']}#{row['artifact_version'] or ''}"
        if name not in self._nodes:
            artifact_version, size = row["artifact_version"], row["bytes"]
            self._nodes[name] = Node(name, "artifact", row["uri"], artifact_version, size)
        return At(name, row["artifact"], row["uri"], row["artifact_version"], call, at_us)

    def _touch(self, one: str, artifact: str, row: Row) -> None:
        if self._is_upstream:
            self._edge(artifact, one, "read", row)
        else:
            self._edge(one, artifact, "wrote", row)

    def _edge(self, source: str, target: str, kind: Any, row: Row) -> None:
        edge = Edge(
            source, target, kind, row.get("how"), list(row.get("columns") or ()), bool(row.get("is_certain", True))
        )
        self._edges.setdefault((source, target, kind), edge)

    def _not_stood_at(self, artifacts: Sequence[At]) -> list[At]:
        found = [at for at in artifacts if (at.artifact, at.call) not in self._stood]
        self._stood.update((at.artifact, at.call) for at in found)
        return found

    @property
    def _mode(self) -> str:
        """What calls did to the artifacts that come after them in this direction."""
        return "read" if self._is_upstream else "write"

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        begun = begun_us(parameters["first"]) if "first" in parameters else 0
        asked = {"team": self._team, "as_of": self._as_of, "begun": begun, **parameters}
        return self._database.run(_SQL[statement], asked)


def _is_write(edge: Edge) -> bool:
    return edge.kind == "wrote" and is_call(edge.source)


def _in(version: str | None) -> str:
    return f" in version {version}" if version else ""


def _by(as_of_us: int | None) -> str:
    return "" if as_of_us is None else f" by {moment(as_of_us).isoformat(' ', 'seconds')}"
