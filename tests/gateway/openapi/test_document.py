"""The document is valid whatever is deployed, and tells of every path that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from rayfaas.errors import BY_CODE
from rayfaas.executor.signature import Signature
from rayfaas.executor.signature import describe as describe_by
from rayfaas.gateway.openapi.components import reference
from rayfaas.gateway.openapi.document import document
from rayfaas.gateway.openapi.functions import Callee
from rayfaas.gateway.openapi.parameters import problem_responses
from rayfaas.wire import File
from tests.gateway.openapi.test_components import Animal, Pet
from tests.gateway.small import SmallGateway


def plain(animal: Animal, pet: Pet | None = None, n: int = 3) -> Pet:
    """Find a pet.

    The second line.
    """
    raise NotImplementedError


def items(count: int) -> Iterator[Pet]:
    raise NotImplementedError
    yield


async def later(count: int) -> AsyncIterator[int]:
    raise NotImplementedError
    yield


async def loose(x, *args, **others):  # type: ignore[no-untyped-def]
    raise NotImplementedError


def describe(function: Callable[..., Any]) -> dict[str, object]:
    return describe_by(function, Signature(function))


def of(function: Callable[..., Any], name: str = "f", team: str = "nlp", alias: str = "live") -> Callee:
    return Callee(team, name, alias, 7, describe(function))


def is_valid(found: dict[str, Any]) -> bool:
    OpenAPIV31SpecValidator(found).validate()
    return True


def test_a_server_without_functions_has_a_valid_one() -> None:
    assert is_valid(document([], "nlp"))


def test_what_is_deprecated_says_so_and_what_to_call_instead() -> None:
    old = of(plain)._replace(is_deprecated=True, successor="nlp/g")
    found = document([old, of(plain, "g")], "nlp")
    assert is_valid(found)
    deprecated, present = (found["paths"][f"/call/{name}"]["post"] for name in ("f", "g"))
    assert (deprecated["deprecated"], present.get("deprecated")) == (True, None)
    assert "Deprecated. Call nlp/g instead." in deprecated["description"]


def test_functions_of_all_kinds_are_in_a_valid_one() -> None:
    deployed = [of(plain), of(items, "items"), of(later, "later"), of(loose, "loose"), of(plain, alias="prod")]
    found = document([*deployed, of(plain, team="vision"), Callee("o", "old", "live", 1, {"kind": "sync"})], "nlp")
    assert is_valid(found)
    paths = [path.removeprefix("/call/") for path in found["paths"] if path.startswith("/call/")]
    assert paths == ["f", "items", "later", "loose", "f@prod", "vision/f", "o/old", "{target}"]


def test_a_function_is_told_as_its_hints_and_docstring_say() -> None:
    found = document([of(plain)], "nlp")
    post = found["paths"]["/call/f"]["post"]
    assert (post["summary"], "The second line." in post["description"]) == ("Find a pet.", True)
    assert (post["operationId"], post["tags"], post["x-rayfaas-version"]) == ("call_f", ["nlp/f"], 7)
    assert post["requestBody"]["required"]
    arguments = found["components"]["schemas"]["f.Arguments"]
    assert (arguments["required"], arguments["additionalProperties"]) == (["animal"], False)
    assert arguments["properties"]["n"] == {"type": "integer", "default": 3}
    assert set(post["responses"]) >= {"200", "202", "401", "404", "422", "429", "500", "504"}
    both = ["application/json", "application/msgpack"]
    assert [list(post["requestBody"]["content"]), list(post["responses"]["200"]["content"])] == [both, both]


@pytest.mark.parametrize("function", [items, later])
def test_a_generator_answers_with_an_array_or_a_stream(function: Callable[..., Any]) -> None:
    content = document([of(function)], "nlp")["paths"]["/call/f"]["post"]["responses"]["200"]["content"]
    assert list(content) == ["application/json", "application/x-ndjson", "text/event-stream"]
    assert content["application/json"]["schema"] == {"type": "array", "items": {"$ref": "#/components/schemas/f.Item"}}
    assert content["text/event-stream"]["x-item-schema"] == {"$ref": "#/components/schemas/f.Item"}


def test_a_class_has_a_path_for_each_method() -> None:
    methods = {"predict": describe(plain), "items": describe(items), "not/one": {}, "other": 3}
    model = Callee("nlp", "Model", "live", 2, {"kind": "class", "methods": methods, "doc": "A model."})
    found = document([model, model._replace(team="vision", alias="prod")], "nlp")
    assert is_valid(found)
    targets = ("Model.predict", "Model.items", "vision/Model.predict@prod", "vision/Model.items@prod")
    assert [path for path in found["paths"] if path.startswith("/call/")][:-1] == [f"/call/{each}" for each in targets]
    assert found["paths"]["/call/Model.predict"]["post"]["operationId"] == "call_Model_predict"


def test_names_that_would_clash_do_not() -> None:
    deployed = [of(plain, "a-b"), of(plain, "a_b"), of(plain, "embed", alias="prod"), of(plain, "prod", "embed")]
    found = document(deployed, "nlp")
    assert is_valid(found)
    ids = [operation["operationId"] for methods in found["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "interface",
    [
        {},
        {"arguments": 3, "result": 3, "doc": 3, "signature": 3, "kind": 3},
        {"arguments": {"properties": {"a": 3, "b": None}, "required": ["c"]}},
        {"arguments": {"properties": {"a": {"type": "money"}}}, "result": {"$ref": "http://elsewhere"}},
        {"doc": "\n\n", "result": {"$defs": {"": {}}, "$ref": "#/$defs/"}},
    ],
)
def test_what_code_says_of_itself_can_not_spoil_it(interface: dict[str, Any]) -> None:
    assert is_valid(document([Callee("nlp", "f", "live", 1, interface)], "nlp"))


def test_every_route_is_told_and_no_other(run_dir: Path) -> None:
    gateway = SmallGateway(run_dir)
    gateway.journal.close()
    routes = [route for route in gateway.app._rest.routes if isinstance(route, Route)]
    served = {(method.lower(), route.path) for route in routes for method in route.methods or ("GET",)}
    implied = {("head", path) for method, path in served if method == "get"}
    files = {(method, path) for method, path in served if path.startswith("/pages/")}
    other_protocols = {("post", "/mcp")}
    told = {(method, path) for path, methods in document([], "nlp")["paths"].items() for method in methods}
    assert told == served - (implied - {("head", "/v1/bundles/{digest}")}) - files - other_protocols | {
        ("post", "/call/{target}")
    }


def test_every_code_is_told_with_its_status() -> None:
    told = {
        (int(name.removeprefix("Problem")), code)
        for name, response in problem_responses().items()
        for code in response["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
    }
    assert told == {(error.status, code) for code, error in BY_CODE.items()}


def test_an_application_is_no_function_that_is_called() -> None:
    found = document([Callee("nlp", "site", "live", 1, {"kind": "asgi"})], "nlp")
    assert not [path for path in found["paths"] if path.startswith("/call/site")]


def draws(photo: File, title: str = "") -> bytes:
    raise NotImplementedError


def test_files_and_bytes_are_told_by_their_media_types() -> None:
    found = document([of(draws)], "nlp")
    assert is_valid(found)
    post = found["paths"]["/call/f"]["post"]
    bodies, answers = post["requestBody"]["content"], post["responses"]["200"]["content"]
    raw = {"schema": {"type": "string", "format": "binary"}}
    assert bodies["multipart/form-data"] == bodies["application/json"] == {"schema": reference("f.Arguments")}
    assert bodies["application/octet-stream"] == answers["application/octet-stream"] == raw
    assert found["components"]["schemas"]["f.Arguments"]["properties"]["photo"] == raw["schema"]
    assert list(answers) == ["application/octet-stream", "application/json", "application/msgpack"]


@pytest.mark.parametrize("media", [None, "application/json", [1], ["text/html"], {}])
def test_what_an_interface_says_of_media_types_is_not_trusted(media: Any) -> None:
    interface = {**describe(plain), "takes": media, "gives": media}
    post = document([Callee("nlp", "f", "live", 7, interface)], "nlp")["paths"]["/call/f"]["post"]
    assert list(post["requestBody"]["content"]) == list(post["responses"]["200"]["content"]) == ["application/json"]
