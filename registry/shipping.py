"""The archive's files move from the local folder to an object store, where the same views go on reading them.

A URL is noted before anything is sent there, and counts from the transaction on that has the file's partition name it:
whatever ends the process, and when, each row is read from one place. What was noted and does not count is removed from
the store by the next pass; nothing else there is touched, so a bucket may hold what is not rayfaas's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rayfaas.registry.bucket import Bucket
from rayfaas.registry.database import Database, now_us
from rayfaas.registry.rows import Row
from rayfaas.registry.statements import load

_SQL = load("shipping.sql")


@dataclass(frozen=True)
class Shipment:
    """A file of the local folder, and the URL where it is to be."""

    kind: str
    file: str
    url: str


class Shipping:
    """`send` and `remove` speak to a store, and raise `ArchiveAway`: they run beside whoever writes the registry; all
    else is done by that one thread."""

    def __init__(self, database: Database, bucket: Bucket) -> None:
        self._database, self._bucket = database, bucket

    def announce(self, root: str) -> Shipment | None:
        """The oldest file that is in the local folder, which is to go below `root` now; None: there is none."""
        for row in self._run("next"):
            shipment = Shipment(row["kind"], row["file"], f"{root}/{row['file']}")
            self._run("note", url=shipment.url, now=now_us())
            return shipment
        return None

    def send(self, shipment: Shipment) -> None:
        """Returns when the store has it."""
        file = self._database.archive / shipment.file
        self._database.files.keep_end(shipment.url, file)
        self._bucket.write(shipment.url, file)

    def settle(self, shipment: Shipment) -> bool:
        """Have it read from the store. False where it was deleted meanwhile.

        The local file stays until the next `Archive.sweep`: who reads it now may end it.
        """
        with self._database.transaction():
            if not self._run("move", file=shipment.file, url=shipment.url):
                return False
            self._run("forget", url=shipment.url)
            self._database.read_archive(shipment.kind)
        return True

    def leftovers(self) -> list[str]:
        """URLs that count no more, or never did."""
        return [str(row["file"]) for row in self._run("leftovers")]

    def remove(self, url: str) -> None:
        """Returns when the store has it no more."""
        self._bucket.remove(url)
        self._database.files.forget(url)

    def forget(self, url: str) -> None:
        """It is removed."""
        self._run("forget", url=url)

    def _run(self, statement: str, **parameters: Any) -> list[Row]:
        return self._database.run(_SQL[statement], parameters)
