"""The registry as the controller knows it: one file, one object, its parts in files of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rayfaas.config import ARCHIVE_CACHE_MB
from rayfaas.graph import Graph
from rayfaas.registry.access import Access
from rayfaas.registry.alarms import Alarms
from rayfaas.registry.aliases import Aliases
from rayfaas.registry.archive import Archive
from rayfaas.registry.arguments import RecordedArguments
from rayfaas.registry.artifact_aliases import ArtifactAliases
from rayfaas.registry.backup import Backup
from rayfaas.registry.canaries import Canaries
from rayfaas.registry.catalog import Catalog
from rayfaas.registry.database import Database
from rayfaas.registry.deletions import Deletions
from rayfaas.registry.deprecations import Deprecations
from rayfaas.registry.encodings import Encoded
from rayfaas.registry.exports import Exports
from rayfaas.registry.gateways import Gateways
from rayfaas.registry.grants import Grants
from rayfaas.registry.journal import Journal, Lines, Loaded
from rayfaas.registry.limits import Limits
from rayfaas.registry.lineage import Lineage, Question
from rayfaas.registry.machines import Machines
from rayfaas.registry.members import Members
from rayfaas.registry.misses import Misses
from rayfaas.registry.months import Months
from rayfaas.registry.protections import Protections
from rayfaas.registry.query import Queries, QueryLimits, QueryResult
from rayfaas.registry.rows import LogRow
from rayfaas.registry.schedules import Schedules
from rayfaas.registry.secrets import Secrets
from rayfaas.registry.shipping import Shipping
from rayfaas.registry.spawned import SpawnedCalls
from rayfaas.registry.spending import Spending
from rayfaas.registry.tally import Tally
from rayfaas.registry.usage import Usage

T = TypeVar("T")


class Registry:
    """`catalog`, `aliases`, `canaries`, `access`, `grants`, `limits`, `machines`, `alarms`: written by one thread, read
    by any.

    >>> registry = Registry.open(Path("registry.duckdb"), Path("journal"))  # doctest: +SKIP
    >>> registry.query("SELECT count(*) FROM calls", [], team=None).rows  # doctest: +SKIP
    [[0]]
    """

    def __init__(self, database: Database, journal: Path, limits: QueryLimits) -> None:
        self._database = database
        self.aliases = Aliases(database)
        self.canaries = Canaries(database, self.aliases)
        self.alarms = Alarms(database)
        self.schedules = Schedules(database, self.aliases, self.alarms)
        self.catalog = Catalog(database, self.aliases, self.schedules)
        self.deploys = self.catalog.history
        self.deletions = Deletions(database, self.aliases)
        self.access = Access(database)
        self.gateways = Gateways(database)
        self.members = Members(database)
        self.protections = Protections(database)
        self.secrets = Secrets(database)
        self.grants = Grants(database)
        self.deprecations = Deprecations(database)
        self.limits = Limits(database)
        self.machines = Machines(database, self.alarms)
        self.archive = Archive(database)
        self.months = Months(database, self.archive)
        self.shipping = Shipping(database, database.bucket)
        self.backup = Backup(database)
        self.exports = Exports(database)
        self.misses = Misses(database)
        self.artifact_aliases = ArtifactAliases(database)
        self.spending = Spending(database)
        self.tally = Tally(database)
        self._journal = Journal(database, journal, self.spending, self.tally)
        self.arguments = RecordedArguments(database)
        self.spawned = SpawnedCalls(database, journal, self.arguments)
        self._queries = Queries(database, limits)
        self._lineage = Lineage(database)

    @classmethod
    def open(
        cls,
        path: Path,
        journal: Path,
        limits: QueryLimits | None = None,
        cache_mb: float = ARCHIVE_CACHE_MB,
        on_broken: Callable[[], None] | None = None,
    ) -> Registry:
        """The file at `path`, with the gateways' journal in the directory `journal`. Of the archive in an object store
        `cache_mb` are kept on this disk. `on_broken` is called when only another process can go on with the file.

        Raises `Unavailable` where the file can't be opened, or another process has it open."""
        return cls(Database(path, int(cache_mb * 1e6), on_broken), journal, limits or QueryLimits())

    def load_journal(self) -> Loaded:
        return self._journal.load()

    def loaded_bytes(self, segment: str) -> int:
        """How much of a segment of the journal is loaded, whether its file is still there or not."""
        return self._journal.loaded_bytes(segment)

    def logs(self, function: str | None, call: str | None, team: str | None, limit: int) -> list[LogRow]:
        return self._journal.logs(function, call, team, limit)

    def lines(self, function: str | None, call: str | None, team: str | None, after: int | None, limit: int) -> Lines:
        return self._journal.lines(function, call, team, after, limit)

    def query(self, sql: str, parameters: Sequence[Any], team: str | None) -> QueryResult:
        return self._queries.query(sql, parameters, team)

    def encoded(self, sql: str, parameters: Sequence[Any], team: str | None, encoding: str) -> Encoded:
        return self._queries.encoded(sql, parameters, team, encoding)

    def usage(self, usage: Usage, team: str | None) -> QueryResult:
        """What calls came to, of those that `team` sees. Raises `BadRequest` and `QueryError`."""
        window = usage.window
        if usage.cost:
            window = window._replace(begun_us=min(window.begun_us, self.spending.begun_us(window.since_us)))
        return self._queries.query(*usage.query(), team, window)

    def lineage(self, question: Question, team: str | None) -> Graph:
        """What led to an artifact, a call or a version, or came of it, as far as `team` sees it."""
        return self._lineage.graph(question, team)

    def within(self, seconds: float, method: Callable[..., T], *args: Any) -> T:
        """What a method that reads comes to. Raises `QueryError` where its statements take longer."""
        with self._database.within(seconds):
            return method(*args)

    def close(self) -> None:
        self._database.close()
