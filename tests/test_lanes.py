"""A request has a lane to itself until its answer is read or given up; then the next one may have it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from rayfaas.lanes import Lanes


class Body(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"


class Lane(httpx.AsyncBaseTransport):
    def __init__(self) -> None:
        self.requests = 0
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if request.url.path == "/breaks":
            raise httpx.ConnectError("no")
        return httpx.Response(200, stream=Body())

    async def aclose(self) -> None:
        self.closed = True


class Made:
    """Lanes, and what was made of them."""

    def __init__(self, most_free: int = 100) -> None:
        self.lanes: list[Lane] = []
        self.client = httpx.AsyncClient(base_url="http://server", transport=Lanes(self._make, most_free))

    def _make(self) -> Lane:
        self.lanes.append(Lane())
        return self.lanes[-1]

    async def begin(self) -> httpx.Response:
        return await self.client.send(self.client.build_request("GET", "/"), stream=True)


async def test_one_request_after_the_other_takes_one_lane() -> None:
    made = Made()
    for _ in range(5):
        assert (await made.client.get("/")).text == "ab"
    assert [lane.requests for lane in made.lanes] == [5]


async def test_requests_at_the_same_time_have_a_lane_each() -> None:
    made = Made()
    answers = [await made.begin() for _ in range(3)]
    assert [lane.requests for lane in made.lanes] == [1, 1, 1]
    for answer in answers:
        await answer.aread()
    await made.client.get("/")
    assert [lane.requests for lane in made.lanes] == [1, 1, 2], "the one that was free last"


async def test_an_answer_that_is_not_read_frees_its_lane_once() -> None:
    made = Made()
    answer = await made.begin()
    await answer.aclose()
    await answer.aclose()
    first, second = await made.begin(), await made.begin()
    assert len(made.lanes) == 2
    await first.aclose()
    await second.aclose()


async def test_a_request_that_fails_frees_its_lane() -> None:
    made = Made()
    for _ in range(3):
        with pytest.raises(httpx.ConnectError):
            await made.client.get("/breaks")
    assert len(made.lanes) == 1


async def test_lanes_that_are_too_many_are_closed() -> None:
    made = Made(most_free=1)
    for answer in [await made.begin() for _ in range(3)]:
        await answer.aclose()
    assert [lane.closed for lane in made.lanes] == [False, True, True]


async def test_closing_closes_those_that_are_free() -> None:
    made = Made()
    await made.client.get("/")
    await made.client.aclose()
    assert [lane.closed for lane in made.lanes] == [True]
