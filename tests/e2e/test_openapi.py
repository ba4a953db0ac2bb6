"""Who goes by /openapi.json can call what is deployed; whatever they send, no answer is our 5xx, and none hangs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rayfaas.wire.media import ARROW, JPEG, MSGPACK, OCTETS, PNG, WEBP
from tests.e2e.conftest import Server
from tests.e2e.samples.samples import ALL

RAW = [ARROW, PNG, JPEG, WEBP]
schemathesis.serializer.alias(RAW, OCTETS)


@schemathesis.serializer(MSGPACK)
def _to_msgpack(_: Any, value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value, enc_hook=lambda binary: binary.data)
    except OverflowError:  # it has no such ints
        return b"\xc1"


SAMPLES = Path(__file__).parent / "samples" / "samples.py"
# What a function raises is its own. A call that is given no time has none, which its key remembers; and one that is
# tried again and again, for its key or for its retries, goes on when its caller's time is over.
THEIRS = {"function_error", "result_not_serializable"}
OUT_OF_TIME = {"timeout", "no_capacity", "unavailable"}
PATIENCE_S = 30.0
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def samples(server: Server) -> Server:
    for name in ALL:
        server.deploy(SAMPLES, name, {"timeout_s": 5})
    return server


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--cases", default=600))


def test_the_document_is_valid_and_tells_of_every_function(samples: Server) -> None:
    document = samples.http.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    targets = {*ALL, "Counter.add", "Counter.doubled"} - {"Counter"}
    assert {f"/call/{target}" for target in targets} <= document["paths"].keys()
    assert document["paths"]["/call/area"]["post"]["summary"] == "The area of a box."
    others = samples.http.post("/v1/tokens", json={"principal": "o", "team": "others", "role": "viewer"}).json()
    headers = {"Authorization": f"Bearer {others['token']}"}
    assert "/call/default/area" in httpx.get(f"{samples.url}/openapi.json", headers=headers).json()["paths"]


def test_a_dry_run_checks_where_the_call_would_run_and_leaves_no_trace(samples: Server) -> None:
    assert samples.call("area", {"box": {"width": 2}}) == 2
    count = "SELECT count(*) FROM calls WHERE function = 'default/area'"
    before = samples.sql(count)
    dry = samples.http.post("/call/area", json={"box": {"width": 2}}, headers={"Prefer": "validate-only"})
    assert (dry.status_code, dry.json()["checked"][-1]) == (200, "arguments")
    wrong = {"box": {"width": -1}}
    answers = [samples.http.post("/call/area", json=wrong, headers=h) for h in ({"Prefer": "validate-only"}, {})]
    assert [answer.status_code for answer in answers] == [422, 422]
    problems = [{**answer.json(), "call": None} for answer in answers]
    assert problems[0] == problems[1]
    assert samples.sql(count)[0][0] == before[0][0] + 1  # the call that was no dry run
    done = samples.rayfaas("call", "--dry-run", "area", 'box={"width": 2}')
    assert json.loads(done.stdout)["version"] == int(answers[1].headers["rayfaas-version"])


# Schemathesis


def test_whatever_is_sent_no_answer_is_our_5xx_and_none_hangs(samples: Server, cases: int) -> None:
    operations = list(_operations(samples))
    each = max(1, cases * 2 // 3 // len(operations))  # of each mode; those that take little have few that differ
    statuses: Counter[int] = Counter()
    failures = []
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                _try(samples, operation, mode, each, statuses)
            except Unsatisfiable:
                pass  # it takes nothing that could be wrong
            except Exception as failure:
                failures.append(f"{operation.label}, {mode.value}: {failure!r}")
    print(f"{statuses.total()} requests: {dict(sorted(statuses.items()))}")
    assert not failures, "\n\n".join(failures)
    assert sum(count for status, count in statuses.items() if status < 300) > len(operations)
    assert samples.call("echo", {"value": "still there"}) == "still there"


def _operations(server: Server) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    headers = {"Authorization": f"Bearer {server.token}"}
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=headers)
    schema.config.generation.with_security_parameters = False  # what a bad token does is known
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        target = operation.path.removeprefix("/call/")
        if target == operation.path or target.partition("@")[0].partition(".")[0] in ALL:  # not what other tests deploy
            yield operation


def _try(
    server: Server, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, cases: int, seen: Counter[int]
) -> None:
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        if case.headers and re.fullmatch("wait=[0-9]+", str(case.headers.get("Prefer"))):
            case.headers["Prefer"] = "wait=1"  # who asks for more may get it: what fails is tried again meanwhile
        response = case.call(headers={"Authorization": f"Bearer {server.token}"}, timeout=PATIENCE_S)
        seen[response.status_code] += 1
        if response.status_code >= 500:
            code = json.loads(response.content)["code"]
            may_time_out = {"Rayfaas-Timeout", "Idempotency-Key"} & set(case.headers or {})
            expected = THEIRS | (OUT_OF_TIME if may_time_out else set())
            assert code in expected, f"{case.as_curl_command()}\n{response.content!r}"
        case.validate_response(response, checks=CHECKS)

    check()


# A generated client


def test_a_generated_typescript_client_compiles_and_calls(samples: Server, tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed: the generated TypeScript client is not tried")
    packages = ("openapi-typescript@7", "openapi-fetch@0.17", "typescript@5")
    _run(tmp_path, npm, "install", "--no-audit", "--no-fund", "--silent", *packages)
    (tmp_path / "openapi.json").write_bytes(samples.http.get("/openapi.json").content)
    _run(tmp_path, npm, "exec", "openapi-typescript", "openapi.json", "--", "--output", "api.ts")
    shutil.copy(Path(__file__).parent / "client.ts", tmp_path)
    _run(tmp_path, npm, "exec", "tsc", "--", *TSC, "client.ts")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    said = _run(tmp_path, node, "client.js", samples.url, samples.token)
    assert json.loads(said) == {
        "area": 6,
        "oldest": "b",
        "items": [0, 1, 2],
        "caption": "Cat: 5 bytes",
        "reversed": "cba",
        "status": 422,
        "code": "invalid_arguments",
    }


def test_the_pages_show_calls_and_make_some_with_the_token_that_is_typed(samples: Server, tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed: the page is not tried")
    _run(tmp_path, npm, "install", "--no-audit", "--no-fund", "--silent", "jsdom@26")
    shutil.copy(Path(__file__).parent / "page.mjs", tmp_path)
    said = json.loads(_run(tmp_path, node, "page.mjs", samples.url, samples.token))
    assert said["refused"].startswith("The token is not known here")
    assert "POST /call/area" in said["shown"]
    assert said["typed"] == ""
    assert said["called"].split() == ["200", said["called"].split()[1], "6"]
    assert '"checked"' in said["dry"]
    assert said["streamed"].count('"item"') == 2
    assert said["stored"] == 0
    overview = said["overview"]
    assert (overview["hidden"], overview["machines"]) == (True, True)
    assert overview["whose"].endswith("admin of default")
    assert overview["rows"][0] == "default/area"
    assert overview["bars"] >= 2
    assert "SUCCEEDED" in overview["states"]
    assert overview["one"]["function"] == "default/area"


TSC = (
    "--strict", "--noEmitOnError", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler",
    "--lib", "es2022,dom,dom.iterable",
)  # fmt: skip


def _run(directory: Path, *command: str) -> str:
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout
