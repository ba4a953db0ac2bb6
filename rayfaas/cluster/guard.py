"""The guard of a node on another machine: joins it to its cluster, stands above Ray there, and says when it is over.

    RAYFAAS_JOIN=TOKEN python -m rayfaas.cluster.guard --directory DIR --attempt ID --cpus N --gpus N

Where Ray there ends, because its head was lost, it comes again as soon as there is a head. It ends with 0 when it is
told to (SIGTERM), and else when the machine is to end, so that nobody pays for one that is of no use: the keeper does
not want it any more, or was silent for ten minutes, or it is older than it may be. Whoever started it sees to that
(`cloud/boot.sh`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx

from rayfaas.cluster.labels import AWAY, YES
from rayfaas.cluster.local import ray_environment, terminate_with_parent
from rayfaas.cluster.notices import NOTICES, Notices, notices_of
from rayfaas.cluster.ray_node import RayNode
from rayfaas.cluster.seat import Seat
from rayfaas.errors import RayfaasError, Unavailable
from rayfaas.join_token import JoinToken
from rayfaas.link import Link, Service, keep_link
from rayfaas.within import within

_log = logging.getLogger("rayfaas.guard")

# The exit code with which the machine is to end.
OVER = 3
ASK_S = 70.0
# How long Ray's processes have to end.
END_S = 8.0


@dataclass(frozen=True)
class Times:
    """In seconds: between two beats of the keeper's heart, how long it may be silent, between two looks for a notice,
    and between two tries of what did not work."""

    beat_s: float = 10.0
    silent_s: float = 600.0
    notice_s: float = 5.0
    again_s: float = 1.0


class Guard(Service):
    """`resources` are those of the node, without the head's address, which the controller tells."""

    def __init__(self, seat: Seat, resources: dict[str, Any], notices: Notices | None, times: Times = Times()) -> None:
        super().__init__({})
        self._seat, self._resources, self._notices, self._times = seat, resources, notices, times
        self._link: Link | None = None
        self._heard_at = time.monotonic()
        self._missed = asyncio.Event()

    def on_open(self, link: Link) -> None:
        self._link = link

    def on_close(self, link: Link) -> None:
        self._link = None

    async def run(self) -> str:
        """Returns when the machine is to end, and says why."""
        identity = {"role": "node", "name": self._seat.attempt}
        keeping = asyncio.ensure_future(keep_link(self._seat.controller, identity, self._seat.key, self))
        ends = [asyncio.ensure_future(each) for each in (self._live(), self._hear())]
        others = [keeping, *([asyncio.ensure_future(self._listen(self._notices))] if self._notices else [])]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in (*ends, *others):
                task.cancel()
            await asyncio.gather(*ends, *others, return_exceptions=True)
            if self._link is not None:
                self._link.close()

    async def _live(self) -> str:
        """As a node of the cluster, again and again, as long as the keeper wants it and it is not too old."""
        ended = "it is not wanted"
        while (told := await self._ask_until_told("node_up")) is not None:
            left_s = None if told["expires_at"] is None else max(0.0, told["expires_at"] - time.time())
            try:
                ended = await within(left_s, self._be_node(told))
            except asyncio.TimeoutError:
                return "it is older than it may be"
            _log.info("%s", ended)
            await asyncio.sleep(self._times.again_s)
        return ended

    async def _be_node(self, told: dict[str, Any]) -> str:
        """Until Ray ends, or is missed; which of them."""
        self._missed.clear()
        variables = dict(told["ray"])
        node = RayNode(variables.pop("RAY_ADDRESS"), self._seat.attempt, labels={AWAY: YES}, **self._resources)
        with tempfile.TemporaryDirectory(prefix="rf-") as scratch:  # short: Ray puts sockets below it
            command = node.command("--node-name", told["name"], "--temp-dir", scratch)
            async with _running(command, {**ray_environment(""), **variables}) as process:
                return await self._until_ended(process)

    async def _until_ended(self, process: asyncio.subprocess.Process) -> str:
        ends = [asyncio.ensure_future(each) for each in (process.wait(), self._missed.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()
        if process.returncode is None:
            return "the cluster has lost it"
        return f"Ray ended with code {process.returncode}"

    async def _hear(self) -> str:
        """The keeper's heart, until it is silent for too long."""
        while (silent_s := time.monotonic() - self._heard_at) < self._times.silent_s:
            try:
                if (await self._ask("beat"))["missed"]:
                    self._missed.set()
                self._heard_at = time.monotonic()
            except (RayfaasError, asyncio.TimeoutError) as error:
                _log.info("the keeper was last heard %.0f s ago: %s", silent_s, error or "no answer")
                await asyncio.sleep(self._times.again_s)
                continue
            await asyncio.sleep(self._times.beat_s)
        return f"the keeper was silent for {silent_s:.0f} s"

    async def _listen(self, notices: Notices) -> None:
        """For the notice that the machine is taken back, which is handed on once."""
        while True:
            if notice := await self._look(notices):
                break
            await asyncio.sleep(self._times.notice_s)
        _log.warning("the provider takes this machine back: %s", notice)
        await self._ask_until_told("taken_back", notice=notice)

    async def _look(self, notices: Notices) -> str:
        try:
            return await notices.look()
        except (httpx.HTTPError, ValueError, KeyError) as error:
            _log.info("the machine's metadata can't be asked: %s", error or type(error).__name__)
            return ""

    async def _ask_until_told(self, method: str, **parameters: Any) -> Any:
        while True:
            try:
                return await self._ask(method, **parameters)
            except (RayfaasError, asyncio.TimeoutError) as error:
                _log.info("%s is asked again: %s", method, error or "no answer")
                await asyncio.sleep(self._times.again_s)

    async def _ask(self, method: str, **parameters: Any) -> Any:
        if self._link is None:
            raise Unavailable("the controller is not connected")
        return await self._link.request(method, timeout_s=ASK_S, **parameters)


async def seat_of(directory: Path, attempt: str, join: str, times: Times = Times()) -> Seat:
    """The one that it has, else the one that the join token gives it. Raises `Unauthenticated` and `Unavailable`."""
    if (seat := Seat.read(directory, attempt)) is not None:
        return seat
    deadline = time.monotonic() + times.silent_s
    while True:
        try:
            seat = await Seat.take(JoinToken.parse(join))
            seat.write(directory)
            return seat
        except (OSError, asyncio.TimeoutError, Unavailable) as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"The controller can't be reached: {error or 'no answer'}") from None
            _log.info("the controller can't be reached yet: %s", error or "no answer")
            await asyncio.sleep(times.again_s)


@contextlib.asynccontextmanager
async def _running(command: list[str], environ: dict[str, str]) -> Any:
    """Ends with all of its session; where this process is killed, too."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        env=environ,
        start_new_session=True,
        preexec_fn=terminate_with_parent,  # this process has one thread
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(asyncio.TimeoutError):
            await within(END_S, asyncio.shield(process.wait()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _guard(directory: Path, join: str, attempt: str, resources: dict[str, Any], notices: Notices | None) -> str:
    try:
        seat = await seat_of(directory, attempt, join)
    except RayfaasError as error:
        return f"it was not let in: {error.detail}"
    return await Guard(seat, resources, notices).run()


async def _until_told(guarding: Any) -> int:
    """The exit code."""
    task = asyncio.ensure_future(guarding)
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    try:
        _log.error("this machine is to end: %s", await task)
    except asyncio.CancelledError:
        return 0
    return OVER


@click.command()
@click.option("--directory", required=True, type=click.Path(path_type=Path), help="What it keeps, for itself only.")
@click.option("--attempt", required=True, help="Which of the keeper's launches this is.")
@click.option("--cpus", type=float, default=1.0)
@click.option("--gpus", type=float, default=0.0)
@click.option("--memory-mb", type=int, default=0)
@click.option("--resources", default="{}", help="Others, as JSON.")
@click.option("--notices", type=click.Choice(sorted(NOTICES)), help="Look for notices of this provider.")
@click.option("--metadata", default="", help="Where the provider tells a machine of itself, if not where it always is.")
def main(directory: Path, attempt: str, notices: str | None, metadata: str, **resources: Any) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    join = os.environ.pop("RAYFAAS_JOIN", "")
    with (directory / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _log.info("this machine is a node already")
            sys.exit(0)
        listening = notices_of(notices, metadata) if notices else None
        sys.exit(asyncio.run(_until_told(_guard(directory, join, attempt, resources, listening))))


if __name__ == "__main__":
    main()
