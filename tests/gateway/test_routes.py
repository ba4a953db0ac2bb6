"""What a target and a token mean is what the controller said last, and nothing that looks like one passes for one."""

from __future__ import annotations

import asyncio
import hashlib
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.envelope import AccessBody
from rayfaas.errors import BadRequest, NotFound, RayfaasError, Unauthenticated
from rayfaas.gateway.call_access import CallAccess, Claims
from rayfaas.gateway.route import Parked
from rayfaas.gateway.routes import Routes
from rayfaas.gateway.snapshot import AliasRoute, Changes, FunctionRoute, TokenRoute, VersionRoute

ACCESS = CallAccess(b"the key of a home", "http://127.0.0.1:8700")


def version(number: int) -> VersionRoute:
    return VersionRoute(number, f"code{number}", f"syntax{number}", "environment", "shape", 0.0, 30.0, 1)


def function(team: str = "nlp", name: str = "embed", live: int = 1, revision: int = 1) -> FunctionRoute:
    aliases = {"live": AliasRoute(live, revision), "prod": AliasRoute(2, 9)}
    return FunctionRoute(team, name, [version(1), version(2)], aliases)


def token(secret: str, role: str = "invoker", expires_at: float | None = None) -> TokenRoute:
    return TokenRoute(hashlib.sha256(secret.encode()).hexdigest(), "ann", "nlp", role, expires_at)


def routes(*tokens: TokenRoute) -> Routes:
    made = Routes(ACCESS)
    made.apply(Changes(7, [function(), function("vision", "resize")], list(tokens), {"local": b"key"}))
    return made


# Targets


@pytest.mark.parametrize(
    ("target", "key", "alias", "revision"),
    [
        ("embed", "nlp/embed:1", "live", 1),
        ("embed@live", "nlp/embed:1", "live", 1),
        ("embed@prod", "nlp/embed:2", "prod", 9),
        ("embed:2", "nlp/embed:2", None, None),
        ("nlp/embed:1", "nlp/embed:1", None, None),
        ("vision/resize", "vision/resize:1", "live", 1),
    ],
)
def test_a_target_means_one_version(target: str, key: str, alias: str | None, revision: int | None) -> None:
    route = routes().resolve(target, "nlp")
    assert (route.key, route.alias, route.alias_revision) == (key, alias, revision)


def test_a_bare_name_is_a_function_of_the_callers_own_team() -> None:
    with pytest.raises(NotFound, match="nlp/resize"):
        routes().resolve("resize", "nlp")
    assert routes().resolve("resize", "vision").owner == "vision"


def test_who_names_no_team_hears_of_the_functions_of_that_name_which_other_teams_have_for_everybody() -> None:
    made = routes()
    hidden = msgspec.structs.replace(function("secret", "resize"), teams=frozenset({"secret"}))
    gone = msgspec.structs.replace(function("past", "resize"), gone="past/resize was deleted.")
    made.apply(Changes(8, [hidden, gone]))
    with pytest.raises(NotFound, match=r"^There is no function nlp/resize\. There is vision/resize\.$"):
        made.resolve("resize", "nlp")
    with pytest.raises(NotFound, match=r"^There is no function nlp/resize\. `rayfaas functions` lists"):
        made.resolve("nlp/resize", "nlp")


def test_who_calls_a_version_that_there_is_not_hears_of_the_newest_that_there_are() -> None:
    with pytest.raises(NotFound, match=r"nlp/embed has no version 9 that can be called\. It has: 1, 2\.$"):
        routes().resolve("embed:9", "nlp")
    made = Routes(ACCESS)
    made.apply(Changes(7, [FunctionRoute("nlp", "embed", [version(number) for number in range(1, 30)], {})]))
    with pytest.raises(NotFound, match=r"It has: … 20, 21, .*, 29\.$"):
        made.resolve("embed:30", "nlp")


@pytest.mark.parametrize("target", ["nothing", "embed@staging", "embed:3", "other/embed"])
def test_what_does_not_exist_is_not_found(target: str) -> None:
    with pytest.raises(NotFound):
        routes().resolve(target, "nlp")


@pytest.mark.parametrize(
    "target",
    [
        "", "/", "nlp/", "/embed", "a/b/c", "../embed", "nlp/../embed", "embed:0", "embed:-1", "embed:01", "embed:1.0",
        "embed:", "embed@", "embed:1@prod", "embed@a@b", "embed\n", " embed", "embed:１", "em\x00bed", "émbed",
        "NLP/embed", "embed:1000000000", "x" * 129, "embed%20",
    ],
)  # fmt: skip
def test_what_is_no_target_is_a_bad_request(target: str) -> None:
    with pytest.raises(BadRequest):
        routes().resolve(target, "nlp")


@given(st.text(max_size=30), st.text(max_size=10))
@settings(max_examples=200)
def test_any_text_resolves_or_is_refused_as_ours(text: str, team: str) -> None:
    with pytest.raises(RayfaasError):
        routes().resolve(text + "?", team)


def test_a_moved_alias_holds_for_the_next_call() -> None:
    moving = routes()
    assert moving.resolve("embed", "nlp").key == "nlp/embed:1"
    moving.apply(Changes(8, [function(live=2, revision=2)]))
    assert (moving.resolve("embed", "nlp").key, moving.resolve("embed", "nlp").alias_revision) == ("nlp/embed:2", 2)
    assert moving.revision == 8


def test_a_change_of_one_function_leaves_the_others_and_all_tokens() -> None:
    known = routes(token("s3cret"))
    known.apply(Changes(8, [function(live=2)]))
    assert known.resolve("vision/resize", "nlp").key == "vision/resize:1"
    assert known.authenticate(b"Bearer s3cret").name == "ann"
    assert known.sessions == {"local": b"key"}


# Tokens


def test_a_token_says_who_calls() -> None:
    principal = routes(token("s3cret", "deployer")).authenticate(b"Bearer s3cret")
    assert (principal.name, principal.team, principal.role, principal.parent) == ("ann", "nlp", "deployer", None)


@pytest.mark.parametrize("header", [b"bearer s3cret", b"BEARER s3cret", b"Bearer   s3cret ", b"Bearer s3cret"])
def test_the_scheme_is_written_as_one_likes(header: bytes) -> None:
    assert routes(token("s3cret")).authenticate(header).name == "ann"


@pytest.mark.parametrize(
    "header",
    [
        None, b"", b"Bearer", b"Bearer ", b"s3cret", b"Basic s3cret", b"Token s3cret", b"Bearer s3cre",
        b"Bearer s3crets", b"Bearer S3CRET", b"Bearer \xff\xfe", b"Bearer s3cret\x00", b"Bearer rc_",
        b"Bearer rc_s3cret", b"Bearer s3cret, Bearer s3cret",
    ],
)  # fmt: skip
def test_anything_but_the_whole_token_is_refused(header: bytes | None) -> None:
    with pytest.raises(Unauthenticated):
        routes(token("s3cret")).authenticate(header)


def test_a_revoked_token_is_refused_though_it_was_good_a_moment_ago() -> None:
    known = routes(token("s3cret"), token("other"))
    known.authenticate(b"Bearer s3cret")
    known.apply(Changes(8, [], [token("other")]))
    with pytest.raises(Unauthenticated, match="revoked"):
        known.authenticate(b"Bearer s3cret")
    assert known.authenticate(b"Bearer other").name == "ann"


def test_a_changed_role_holds_for_the_next_request() -> None:
    known = routes(token("s3cret", "admin"))
    assert known.authenticate(b"Bearer s3cret").role == "admin"
    known.apply(Changes(8, [], [token("s3cret", "viewer")]))
    assert known.authenticate(b"Bearer s3cret").role == "viewer"


def test_a_token_expires_while_it_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    expires_at = time.time() + 60
    known = routes(token("s3cret", expires_at=expires_at))
    assert known.authenticate(b"Bearer s3cret").name == "ann"
    monkeypatch.setattr(time, "time", lambda: expires_at + 0.001)
    with pytest.raises(Unauthenticated, match="expired"):
        known.authenticate(b"Bearer s3cret")


def test_a_calls_token_speaks_for_the_caller_as_an_invoker() -> None:
    claims = Claims("call", "root", "ann", "nlp", time.time() + 60)
    body = msgspec.msgpack.decode(ACCESS.issue(claims), type=AccessBody)
    principal = routes().authenticate(f"Bearer {body.token}".encode())
    assert (principal.name, principal.team, principal.role, principal.parent) == ("ann", "nlp", "invoker", claims)


# Methods of classes


def with_class(parked: bool = False) -> Routes:
    made = routes()
    model = msgspec.structs.replace(version(1), methods=("predict", "embed"))
    aliases = {"live": AliasRoute(1, 1)}
    made.apply(Changes(8, [FunctionRoute("nlp", "Model", [model], aliases, parked)], None, None))
    return made


@pytest.mark.parametrize("target", ["Model.predict", "Model.predict@live", "nlp/Model.predict:1"])
def test_a_method_of_a_class_is_part_of_its_target(target: str) -> None:
    route = with_class().resolve(target, "nlp")
    assert (route.key, route.method, route.called) == ("nlp/Model:1", "predict", "nlp/Model.predict")


@pytest.mark.parametrize("target", ["Model", "Model:1", "Model.other"])
def test_who_names_no_method_that_there_is_hears_of_those_there_are(target: str) -> None:
    with pytest.raises(NotFound, match=r"Call nlp/Model\.predict, nlp/Model\.embed\.") as raised:
        with_class().resolve(target, "nlp")
    assert raised.value.extra["methods"] == ["predict", "embed"]


def test_a_function_has_no_methods() -> None:
    with pytest.raises(NotFound, match="it has no method 'predict'"):
        routes().resolve("embed.predict", "nlp")


async def test_what_is_being_replaced_is_parked_until_the_routes_change_but_for_pinned_versions() -> None:
    made = with_class(parked=True)
    assert made.resolve("Model.predict:1", "nlp").key == "nlp/Model:1"
    with pytest.raises(Parked) as raised:
        made.resolve("Model.predict", "nlp")
    assert (raised.value.function, raised.value.timeout_s) == ("nlp/Model", 30.0)
    changed = asyncio.ensure_future(made.changed())
    await asyncio.sleep(0)
    assert not changed.done()
    made.apply(Changes(9, [], None, None))
    await changed


# What changes


def test_versions_that_are_as_they_were_need_not_be_told_again() -> None:
    known = routes()
    news = FunctionRoute("nlp", "embed", [version(3)], {"live": AliasRoute(3, 2)}, whole=False, removed=(1,))
    known.apply(Changes(8, [news]))
    assert [known.resolve(target, "nlp").key for target in ("embed", "embed:2")] == ["nlp/embed:3", "nlp/embed:2"]
    with pytest.raises(NotFound):
        known.resolve("embed:1", "nlp")
    known.apply(Changes(9, [function()]))  # all of it: the controller is another
    with pytest.raises(NotFound):
        known.resolve("embed:3", "nlp")


def test_a_function_that_nobody_knew_may_come_in_part() -> None:
    known = routes()
    known.apply(Changes(8, [FunctionRoute("nlp", "new", [version(1)], {"live": AliasRoute(1, 1)}, whole=False)]))
    assert known.resolve("new", "nlp").key == "nlp/new:1"
