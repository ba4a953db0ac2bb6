"""Teams over HTTP: members see their own, admins see and change all."""

from __future__ import annotations

import pytest

from tests.gateway.small import SmallGateway

MEMBERS = "/v1/teams/nlp/members"


async def test_who_is_in_a_team_is_for_its_members_and_admins(gateway: SmallGateway) -> None:
    gateway.controller.answers["team"] = [{"principal": "ivan"}]
    for who in ("vera", "root"):
        assert (await gateway.ask("GET", MEMBERS, who=who)).json()["members"] == [{"principal": "ivan"}]
    other = await gateway.ask("GET", MEMBERS, who="dina")
    absent = await gateway.ask("GET", "/v1/teams/none/members", who="dina")
    assert (other.status, other.body.replace(b"nlp", b"none")) == (404, absent.body)


async def test_each_is_told_of_its_own_teams(gateway: SmallGateway) -> None:
    gateway.controller.answers["teams"] = [{"team": "nlp"}, {"team": "vision"}]
    seen = {who: (await gateway.ask("GET", "/v1/teams", who=who)).json()["teams"] for who in ("dina", "root")}
    assert seen == {"dina": [{"team": "vision"}], "root": [{"team": "nlp"}, {"team": "vision"}]}


async def test_a_member_is_set_and_removed_with_a_reason(gateway: SmallGateway) -> None:
    await gateway.ask("PUT", f"{MEMBERS}?principal=zoe%40x", b'{"role": "invoker", "message": "new"}', "ada")
    who = {"team": "nlp", "principal": "zoe@x"}
    assert gateway.controller.asked_for("set_member") == {**who, "role": "invoker", "actor": "ada", "reason": "new"}
    assert (await gateway.ask("DELETE", f"{MEMBERS}?principal=zoe%40x&message=left", who="ada")).status == 204
    assert gateway.controller.asked_for("remove_member") == {**who, "actor": "ada", "reason": "left"}


@pytest.mark.parametrize(
    ("url", "body"),
    [(MEMBERS, b'{"role": "invoker"}'), (f"{MEMBERS}?principal=", b'{"role": "invoker"}'),
     (f"{MEMBERS}?principal=zoe", b"{}"), (f"{MEMBERS}?principal=zoe", b'{"role": "owner"}'),
     ("/v1/teams/N%20LP/members?principal=zoe", b'{"role": "invoker"}')],
)  # fmt: skip
async def test_nobody_nowhere_and_no_role_are_bad_requests(gateway: SmallGateway, url: str, body: bytes) -> None:
    answer = await gateway.ask("PUT", url, body, "ada")
    assert (answer.status, answer.code, gateway.controller.asked) == (400, "bad_request", [])
