"""Who may move an alias, over HTTP: admins say so, and the controller is told who is about to move one."""

from __future__ import annotations

import pytest

from tests.gateway.small import SmallGateway
from tests.gateway.test_control import FUNCTION

PROTECTION = f"{FUNCTION}/aliases/prod/protection"


async def test_an_alias_is_protected_and_no_more(gateway: SmallGateway) -> None:
    body = b'{"who": ["ann", "nlp:admin"], "message": "audited"}'
    answer = await gateway.ask("PUT", PROTECTION, body, "ada")
    alias = {"team": "nlp", "name": "embed", "alias": "prod"}
    assert answer.json() == {**alias, "who": ["ann", "nlp:admin"]}
    given = {"who": ["ann", "nlp:admin"], "actor": "ada", "reason": "audited"}
    assert gateway.controller.asked_for("protect") == {**alias, **given}
    assert (await gateway.ask("DELETE", f"{PROTECTION}?message=over", who="ada")).status == 204
    assert gateway.controller.asked_for("unprotect") == {**alias, "actor": "ada", "reason": "over"}


@pytest.mark.parametrize("who", ["[]", '"ann"', "[1]", '[""]', '["nlp:owner"]', '["NLP:admin"]', '["a:b:admin"]'])
async def test_who_is_nobody_is_a_bad_request(gateway: SmallGateway, who: str) -> None:
    answer = await gateway.ask("PUT", PROTECTION, b'{"who": %b}' % who.encode(), "ada")
    assert (answer.status, answer.code, gateway.controller.asked) == (400, "bad_request", [])


@pytest.mark.parametrize(
    ("method", "url", "body", "asked"),
    [("POST", f"{FUNCTION}/aliases/prod", b'{"version": 1}', "move_alias"),
     ("POST", f"{FUNCTION}/aliases/prod/rollback", b"{}", "rollback"),
     ("POST", f"{FUNCTION}/aliases/prod/canary", b'{"version": 2, "steps": [5]}', "begin_canary"),
     ("DELETE", f"{FUNCTION}/aliases/prod/canary", b"", "abort_canary"),
     ("POST", f"{FUNCTION}/versions", b"{}", "publish"),
     ("DELETE", FUNCTION, b"", "delete")],
)  # fmt: skip
async def test_the_controller_is_told_who_moves_it_with_what_rights(
    gateway: SmallGateway, method: str, url: str, body: bytes, asked: str
) -> None:
    gateway.controller.events = [{"event": "live"}]
    await gateway.ask(method, url, body, "dora")
    told = gateway.controller.asked_for(asked)
    assert (told["actor"], told["rights"]) == ("dora", {"nlp": "deployer"})
