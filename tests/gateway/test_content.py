"""What the gateway asks of a body that it does not read: pickles are for those only who may deploy."""

from __future__ import annotations

import pytest

from rayfaas.errors import Forbidden
from rayfaas.gateway.content import check_content, has_many_inputs
from rayfaas.gateway.principal import Principal
from rayfaas.gateway.route import Route
from rayfaas.gateway.snapshot import VersionRoute
from rayfaas.wire import NDJSON, PICKLE
from tests.gateway.small import SmallGateway
from tests.gateway.sockets import Client, post, served

EMBED = Route("nlp/embed:1", "nlp/embed", "nlp", VersionRoute(1, "", "", "", "", 0.0, 30.0, 1))


@pytest.mark.parametrize("content_type", [PICKLE, PICKLE.upper(), f" {PICKLE};x=1", f"{PICKLE} ; charset=utf-8"])
def test_a_pickle_is_refused_however_its_type_is_written(content_type: str) -> None:
    headers = {b"content-type": content_type.encode()}
    for role in ("invoker", "viewer"):
        with pytest.raises(Forbidden, match="role deployer"):
            check_content(headers, Principal("ivan", "nlp", role), EMBED)
    for role in ("deployer", "admin"):
        check_content(headers, Principal("dora", "nlp", role), EMBED)
    check_content(headers, Principal("root", "ops", "admin"), EMBED)
    with pytest.raises(Forbidden, match="for team 'nlp'"):
        check_content(headers, Principal("dina", "vision", "deployer"), EMBED)


@pytest.mark.parametrize(
    ("content_type", "has_many"),
    [
        (None, False),
        ("application/json", False),
        (NDJSON, True),
        ("Application/X-NDJSON; charset=utf-8", True),
        ("text/plain; x=" + NDJSON, False),
        ("\xff", False),
    ],
)
def test_lines_are_told_from_one_input(content_type: str | None, has_many: bool) -> None:
    headers = {} if content_type is None else {b"content-type": content_type.encode("latin-1")}
    assert has_many_inputs(headers) == has_many
    check_content(headers, Principal("ivan", "nlp", "invoker"), EMBED)


async def test_pickles_go_neither_way_for_who_may_not_deploy(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    executor.answers(lambda call: call.returns(call.header.content_type))
    long_way = gateway.request("POST", "/call/embed", b"x", "ivan", {"Content-Type": PICKLE, "Idempotency-Key": "k"})
    assert (await long_way.answer()).code == "forbidden"
    async with served(gateway.app, gateway.direct) as port:
        client = await Client.connect(port)
        for who, status in (("ivan", 403), ("dina", 404), ("dora", 200), ("ada", 200)):
            await client.send(post("/call/embed", b"x", f"Authorization: Bearer {who}", f"Content-Type: {PICKLE}"))
            assert (await client.answer()).status == status
        await client.send(post("/call/nlp/embed", b"x", "Authorization: Bearer dina", f"Content-Type: {PICKLE}"))
        assert (await client.answer()).status == 403
        await client.close()
    assert len(executor.received) == 2


async def test_a_call_in_a_call_sends_no_pickle(gateway: SmallGateway) -> None:
    executor = await gateway.executor()
    outer = gateway.call(who="ada")
    call = await executor.call()
    token = (await call.access()).token
    inner = await gateway.ask("POST", "/call/embed", b"x", token, {"Content-Type": PICKLE})
    assert (inner.status, inner.code) == (403, "forbidden")
    call.returns(1)
    await outer.answer()
