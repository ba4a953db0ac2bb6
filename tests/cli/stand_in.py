"""Stands in for the home server: takes its lock, writes its files, ends on SIGTERM. Run with a server's command line.

What STAND_IN holds, as JSON, says how: `url` of who answers, `failure` to end with, `deaf` to SIGTERM while it starts.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
from pathlib import Path


def main() -> None:
    how = json.loads(os.environ["STAND_IN"])
    home = Path(sys.argv[sys.argv.index("--home") + 1])
    (home / "arguments.json").write_text(json.dumps(sys.argv[1:]))
    (home / "pid").write_text(str(os.getpid()))
    if "failure" in how:
        print("\n".join(f"line {n}" for n in range(40)), how["failure"], sep="\n", flush=True)
        sys.exit(1)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
        if "url" in how:
            (home / "token").write_text("rf_admin\n")
            (home / "server.json").write_text(json.dumps({"url": how["url"], "pid": os.getpid()}))
        ended.wait()
        (home / "server.json").unlink(missing_ok=True)


main()
