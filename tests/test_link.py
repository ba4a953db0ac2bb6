"""Either end of a link asks the other; every question ends: with its answer, its error, or the end of the link."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import Conflict, InvalidArguments, NotFound, RayfaasError, Unavailable
from rayfaas.frames import CHUNK, Kind, encode_header
from rayfaas.link import Link, Service, keep_link
from tests.ends import KEY, WHO, accepting, connected, dialling
from tests.waiting import eventually


class Desk(Service):
    """A service for tests. `seen` is what its methods did, in order."""

    def __init__(self) -> None:
        super().__init__(
            {
                "echo": self._echo,
                "fail": self._fail,
                "break": self._break,
                "count": self._count,
                "wait": self._wait,
                "stubborn": self._stubborn,
                "note": self._note,
                "ask_back": self._ask_back,
            }
        )
        self.seen: list[Any] = []
        self.links: list[Link] = []
        self.go = asyncio.Event()

    def on_open(self, link: Link) -> None:
        self.links.append(link)

    def on_close(self, link: Link) -> None:
        self.links.remove(link)

    async def _echo(self, link: Link, value: Any) -> Any:
        return value

    async def _fail(self, link: Link) -> None:
        raise InvalidArguments("no such shape", errors=[{"loc": ["shape"]}])

    async def _break(self, link: Link) -> None:
        raise KeyError("shelf")

    async def _count(self, link: Link, to: int, then: str = "") -> AsyncIterator[int]:
        try:
            for number in range(to):
                yield number
            if then == "fail":
                raise Conflict("counted by somebody else")
            if then == "wait":
                await self.go.wait()
        finally:
            self.seen.append("counted")

    async def _wait(self, link: Link) -> str:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        return "went"

    async def _stubborn(self, link: Link) -> str:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            pass
        return "late"

    async def _note(self, link: Link, value: Any) -> None:
        self.seen.append(value)

    async def _ask_back(self, link: Link, value: Any) -> Any:
        return await link.request("echo", value=value)


def linked(server: Service, client: Service | None = None) -> AbstractAsyncContextManager[tuple[Link, Link]]:
    return connected(lambda: Link(accepting(), server), lambda: Link(dialling(), client or Service({})))


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="rf-"))  # short: it holds a socket
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("value", [None, 0, "text", b"\xff", [1, [2]], {"a": {"b": 1.5}}, "x" * (3 * CHUNK)])
async def test_a_request_is_answered(value: Any) -> None:
    async with linked(Desk()) as (_, link):
        assert await link.request("echo", value=value) == value


async def test_every_one_of_many_requests_gets_its_own_answer() -> None:
    desk = Desk()
    async with linked(desk) as (_, link):
        waiting = asyncio.ensure_future(link.request("wait"))
        answers = await asyncio.gather(*(link.request("echo", value=n) for n in range(200)))
        desk.go.set()
        assert answers == list(range(200))
        assert await waiting == "went"


async def test_requests_go_both_ways_and_within_each_other() -> None:
    async with linked(Desk(), Desk()) as (server, client):
        first, second = await asyncio.gather(client.request("ask_back", value=1), server.request("ask_back", value=2))
        assert (first, second) == (1, 2)


async def test_an_error_arrives_as_what_was_raised() -> None:
    async with linked(Desk()) as (_, link):
        with pytest.raises(InvalidArguments, match="no such shape") as caught:
            await link.request("fail")
        assert caught.value.extra == {"errors": [{"loc": ["shape"]}]}


async def test_an_error_that_is_none_of_ours_names_the_method_and_the_link_lives_on() -> None:
    async with linked(Desk()) as (_, link):
        with pytest.raises(RayfaasError, match="break failed: KeyError: 'shelf'"):
            await link.request("break")
        assert await link.request("echo", value=1) == 1


@pytest.mark.parametrize("parameters", [{}, {"value": 1, "more": 2}, {"other": 1}])
async def test_parameters_that_do_not_fit_are_an_error_of_the_request(parameters: dict[str, Any]) -> None:
    async with linked(Desk()) as (_, link):
        with pytest.raises(RayfaasError, match="echo failed: TypeError"):
            await link.request("echo", **parameters)


@pytest.mark.parametrize("method", ["nothing", "", "__init__", "on_close"])
async def test_a_method_that_is_not_offered_is_not_found(method: str) -> None:
    async with linked(Desk()) as (_, link):
        with pytest.raises(NotFound, match="do both run the same rayfaas"):
            await link.request(method)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91\x01", b"\x01"])
async def test_a_body_that_holds_no_parameters_is_an_error_and_no_end(body: bytes) -> None:
    async with linked(Desk()) as (_, link):
        link.send(Kind.CALL, 99, encode_header({"method": "echo"}), body)
        assert await link.request("echo", value=1) == 1


async def test_a_stream_gives_its_items_in_order_and_ends() -> None:
    async with linked(Desk()) as (_, link):
        assert [n async for n in link.stream("count", to=500)] == list(range(500))
        assert [n async for n in link.stream("count", to=0)] == []


async def test_a_stream_that_fails_gives_its_items_first() -> None:
    async with linked(Desk()) as (_, link):
        stream = link.stream("count", to=3, then="fail")
        items = [await anext(stream) for _ in range(3)]
        assert items == [0, 1, 2]
        with pytest.raises(Conflict, match="somebody else"):
            await anext(stream)


async def test_a_stream_that_nobody_reads_on_is_ended_at_its_source() -> None:
    desk = Desk()
    async with linked(desk) as (_, link):
        async for item in link.stream("count", to=2, then="wait"):
            assert item == 0
            break
        await eventually(lambda: desk.seen)
        assert desk.seen == ["counted"]
        assert await link.request("echo", value=1) == 1


async def test_cancelling_a_request_cancels_the_method() -> None:
    desk = Desk()
    async with linked(desk) as (_, link):
        request = asyncio.ensure_future(link.request("wait"))
        await link.request("echo", value="it has begun")
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await eventually(lambda: desk.seen)
        assert desk.seen == ["cancelled"]


async def test_a_request_that_takes_too_long_times_out_and_is_cancelled() -> None:
    desk = Desk()
    async with linked(desk) as (_, link):
        with pytest.raises(asyncio.TimeoutError):
            await link.request("wait", timeout_s=0.01)
        await eventually(lambda: desk.seen)
        assert desk.seen == ["cancelled"]


async def test_an_answer_that_comes_after_its_request_was_given_up_is_dropped() -> None:
    async with linked(Desk()) as (_, link):
        with pytest.raises(asyncio.TimeoutError):
            await link.request("stubborn", timeout_s=0.01)
        assert await link.request("echo", value="mine") == "mine"


async def test_a_peer_that_goes_ends_every_request_and_stream() -> None:
    async with linked(Desk()) as (server, link):
        requests = [asyncio.ensure_future(link.request("wait")) for _ in range(3)]
        stream = link.stream("count", to=1, then="wait")
        assert await anext(stream) == 0
        server.abort()
        for request in requests:
            with pytest.raises(Unavailable, match="broke during 'wait'"):
                await request
        with pytest.raises(Unavailable, match="broke during 'count'"):
            await anext(stream)


async def test_a_peer_that_goes_takes_its_requests_with_it() -> None:
    desk = Desk()
    async with linked(desk) as (_, link):
        request = asyncio.ensure_future(link.request("wait"))
        await link.request("echo", value="it has begun")
        link.abort()
        with pytest.raises(Unavailable):
            await request
        await eventually(lambda: desk.seen)
        assert (desk.seen, desk.links) == (["cancelled"], [])


async def test_a_link_that_is_down_refuses_at_once() -> None:
    async with linked(Desk()) as (_, link):
        link.abort()
        await link.closed
        with pytest.raises(Unavailable, match="down"):
            await link.request("echo", value=1)
        link.notify("note", value=1)  # and this goes nowhere


async def test_a_notification_is_done_and_never_answered_even_where_it_fails() -> None:
    desk = Desk()
    async with linked(desk) as (_, link):
        for method in ("fail", "break", "nothing"):
            link.notify(method)
        link.notify("note", value="done")
        await eventually(lambda: desk.seen)
        assert await link.request("echo", value=1) == 1


async def test_cancelling_what_is_not_running_does_nothing() -> None:
    async with linked(Desk()) as (_, link):
        for number in (0, 1, 12345, 2**64 - 1):
            link.send(Kind.CANCEL, number)
        assert await link.request("echo", value=1) == 1


async def test_a_kept_link_comes_back_whenever_it_breaks(directory: Path) -> None:
    desk, mine, path = Desk(), Desk(), directory / "s"
    keeping = asyncio.ensure_future(keep_link(f"unix:{path}", WHO, KEY, mine, retry_s=0.005, most_s=0.01))
    try:
        for value in range(3):
            loop = asyncio.get_running_loop()
            async with await loop.create_unix_server(lambda: Link(accepting(), desk), path):
                await eventually(lambda: mine.links)
                link = mine.links[0]
                assert await link.request("echo", value=value) == value
                await eventually(lambda: desk.links)
                desk.links[0].abort()
                await eventually(lambda link=link: link not in mine.links)  # type: ignore[misc]
    finally:
        keeping.cancel()
        for link in (*mine.links, *desk.links):
            link.abort()
        await eventually(lambda: not mine.links and not desk.links)


async def test_a_kept_link_goes_on_trying_where_its_key_is_refused(directory: Path) -> None:
    desk, mine, keys = Desk(), Desk(), iter([b"wrong", b"wrong"])
    server = await asyncio.get_running_loop().create_unix_server(
        lambda: Link(accepting(next(keys, KEY)), desk), directory / "s"
    )
    async with server:
        address = f"unix:{directory / 's'}"
        keeping = asyncio.ensure_future(keep_link(address, WHO, KEY, mine, retry_s=0.005, most_s=0.01))
        await eventually(lambda: mine.links)
        keeping.cancel()
        mine.links[0].abort()
        await eventually(lambda: not desk.links)
