"""A process that appends records to a journal for ever, and says of each that it is written."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from rayfaas.gateway.journal import Journal
from rayfaas.records import CallEnded


def main(directory: Path) -> None:
    journal = Journal(directory, "gateway-0")
    for number in itertools.count():
        journal.ended(CallEnded(f"call{number}", "SUCCEEDED", number))
        print(number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
