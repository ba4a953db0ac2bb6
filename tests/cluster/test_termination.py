"""SIGTERM is heard in any thread of a process, whoever has its main thread, and ends it when it may."""

from __future__ import annotations

import signal
import subprocess
import sys

# As a replica lives in a worker of Ray: the main thread is another's, whose handler ends the process at once.
PROGRAM = """
import asyncio, signal, sys, threading, time
from rayfaas.cluster.termination import Termination

async def serve():
    termination = Termination()
    termination.watch()
    print("up", flush=True)
    for _ in range(2):
        await termination.told.wait()
        print("told", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    termination.obey()

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
while True:
    time.sleep(0.01)
"""


def test_sigterm_ends_the_process_only_when_it_is_obeyed() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        for _ in range(2):
            process.send_signal(signal.SIGTERM)  # told twice is told once
            assert process.stdout.readline() == b"told\n"
            assert process.poll() is None
            process.stdin.write(b"\n")
            process.stdin.flush()
        assert process.wait(20) == 7
