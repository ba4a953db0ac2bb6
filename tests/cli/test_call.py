"""`rayfaas call` sends what is typed and prints what comes, so that it can be piped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayfaas.errors import FunctionError, InvalidArguments, to_problem
from tests.cli.terminal import Terminal
from tests.scripted_server import Reply, Request, answering, refusing, streaming


@pytest.mark.parametrize(
    ("typed", "args", "kwargs"),
    [
        ([], [], {}),
        (["2", "height=3"], [2], {"height": 3}),
        (["two", '"2"', "2"], ["two", "2", 2], {}),
        (["-2", "-1.5e3"], [-2, -1500.0], {}),
        (["null", "true", "[1,", "[1]"], [None, True, "[1,", [1]], {}),
        (['{"a": 1}'], [{"a": 1}], {}),
        (["a=b=c", "x="], [], {"a": "b=c", "x": ""}),
        (["1=2", "a b=c", "=x"], ["1=2", "a b=c", "=x"], {}),
        (['x={"y": [1]}'], [], {"x": {"y": [1]}}),
        (["é", "name=Ödön"], ["é"], {"name": "Ödön"}),
        (["target=1", "self=2"], [], {"target": 1, "self": 2}),
        (["--", "--stream"], ["--stream"], {}),
        (["--timeout", "5", "--", "--unknown", "-1"], ["--unknown", -1], {}),
        (["9" * 5000], ["9" * 5000], {}),
    ],
)
def test_arguments_are_values_by_place_and_by_name(
    rayfaas: Terminal, typed: list[str], args: list[Any], kwargs: dict[str, Any]
) -> None:
    rayfaas.serve(answering("done"))
    assert rayfaas("call", "nlp/f@prod", *typed) == (0, '"done"\n', "")
    assert rayfaas.requests[0].path == "/call/nlp/f@prod"
    assert rayfaas.requests[0].json() == {"args": args, "kwargs": kwargs}


def test_who_sends_a_number_where_text_is_meant_hears_how_to_write_it(rayfaas: Terminal) -> None:
    fault = {"loc": ["text"], "msg": "Input should be a valid string", "type": "string_type"}
    rayfaas.serve(refusing(InvalidArguments("text: Input should be a valid string", errors=[fault])))
    assert """text in quotes of its own, '"12345"'.""" in rayfaas("call", "f", "12345").err
    assert "quotes" not in rayfaas("call", "f", "-d", "12345").err


@pytest.mark.parametrize(
    ("data", "args", "kwargs"),
    [('{"a": 1}', [], {"a": 1}), ("[1, 2]", [[1, 2]], {}), ('"x"', ["x"], {}), ("null", [None], {})],
)
def test_data_is_json_of_the_line_a_file_or_stdin(
    rayfaas: Terminal, tmp_path: Path, data: str, args: list[Any], kwargs: dict[str, Any]
) -> None:
    rayfaas.serve(answering(1))
    (tmp_path / "data.json").write_text(data)
    rayfaas("call", "f", "-d", data)
    rayfaas("call", "f", "--data", f"@{tmp_path}/data.json")
    rayfaas("call", "f", "-d", "-", stdin=data)
    assert [request.json() for request in rayfaas.requests] == [{"args": args, "kwargs": kwargs}] * 3


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["-d", "{"], "--data is not JSON"),
        (["-d", ""], "--data is not JSON"),
        (["-d", "@/no/such/file"], "/no/such/file can't be read: No such file or directory"),
        (["-d", "@/"], "can't be read: Is a directory"),
        (["-d", "1", "2"], "not both"),
        (["a=1", "2"], "'2' has no name and comes after one that has"),
        (["-d", "[" * 100_000], "--data is not JSON"),
        (["1", "--timeot", "5"], "No such option"),
        (["1", "--timeot=5"], "--timeout"),
        (["--timeout", "soon"], "'soon' is not a valid float"),
    ],
)
def test_what_is_typed_wrongly_is_told_before_anything_is_called(
    rayfaas: Terminal, typed: list[str], message: str
) -> None:
    rayfaas.serve(answering(1))
    code, out, err = rayfaas("call", "f", *typed)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert rayfaas.requests == []


def test_data_that_is_no_text_is_told(rayfaas: Terminal, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"\x9f\xff")
    code, _, err = rayfaas("call", "f", "-d", f"@{tmp_path}/data.bin")
    assert (code, "--data is not JSON" in err) == (2, True)
    assert "curl: --data-binary @FILE" in err, "how to send it"


@pytest.mark.parametrize("value", [None, True, 1.5, "é\n\u2028", [1, {"a": None}], {}])
def test_a_result_is_one_line_of_json(rayfaas: Terminal, value: Any) -> None:
    rayfaas.serve(answering(value))
    ended = rayfaas("call", "f")
    assert (ended.code, ended.json, ended.out.count("\n")) == (0, value, 1)


@pytest.fixture
def returning_bytes(rayfaas: Terminal) -> Terminal:
    async def handler(_: Request, reply: Reply) -> None:
        await reply.send(200, b"\x89PNG", {"Content-Type": "application/octet-stream"})

    rayfaas.serve(handler)
    return rayfaas


def test_bytes_go_into_a_file_as_they_are(returning_bytes: Terminal, tmp_path: Path) -> None:
    assert returning_bytes("call", "f", "-o", tmp_path / "cat.png").code == 0
    assert (tmp_path / "cat.png").read_bytes() == b"\x89PNG"


def test_bytes_on_the_screen_are_told_with_how_to_have_them(returning_bytes: Terminal) -> None:
    code, out, err = returning_bytes("call", "f")
    assert (code, out) == (1, "")
    assert err == "Error: It returned 4 bytes that are no text. Call it with -o FILE, or -o - | …, to have them.\n"


def test_another_result_goes_into_the_file_as_json(rayfaas: Terminal, tmp_path: Path) -> None:
    rayfaas.serve(answering({"é": [1]}))
    assert rayfaas("call", "f", "--output", tmp_path / "out.json") == (0, "", "")
    assert (tmp_path / "out.json").read_text() == '{"é":[1]}\n'


@pytest.mark.parametrize("typed", [["-o", "x", "--stream"], ["-o", "/no/such/folder/x"]])
def test_a_file_that_can_not_be_had_is_told_before_anything_is_called(rayfaas: Terminal, typed: list[str]) -> None:
    rayfaas.serve(answering(1))
    assert rayfaas("call", "f", *typed).code == 2
    assert rayfaas.requests == []


CALL = "01900000-0000-7000-8000-000000000000"


def test_letters_of_all_alphabets_are_printed_as_they_are(rayfaas: Terminal) -> None:
    rayfaas.serve(answering("Füße 足"))
    assert rayfaas("call", "f").out == '"Füße 足"\n'


def test_items_are_lines_as_they_come_and_logs_go_to_stderr(rayfaas: Terminal) -> None:
    logs = [{"log": {"text": "with end\n"}}, {"log": {"text": "without"}}, {"log": {}}]
    rayfaas.serve(streaming(logs[0], {"item": 1}, *logs[1:], {"item": {"a": "b"}}, {"done": {}}))
    assert rayfaas("call", "f", "--stream") == (0, '1\n{"a": "b"}\n', "with end\nwithout\n\n")


def test_a_stream_that_fails_has_printed_what_came(rayfaas: Terminal) -> None:
    problem = to_problem(FunctionError("ValueError: no", exception="ValueError", traceback="Traceback: x\n"))
    rayfaas.serve(streaming({"item": 1}, {"error": problem}))
    assert rayfaas("call", "f", "--stream") == (6, "1\n", "Traceback: x\nError: ValueError: no\n")


def test_a_stream_that_breaks_off_is_no_success(rayfaas: Terminal) -> None:
    rayfaas.serve(streaming({"item": 1}))
    code, out, err = rayfaas("call", "f", "--stream")
    assert (code, out) == (5, "1\n")
    assert "broke off" in err


def test_the_functions_own_traceback_is_shown_as_it_is(rayfaas: Terminal) -> None:
    trace = 'Traceback:\n  File "[bold]x[/bold].py", line 1\nKeyError: [1]\n'
    rayfaas.serve(refusing(FunctionError("KeyError: [1]", exception="KeyError", traceback=trace)))
    assert rayfaas("call", "f") == (6, "", f"{trace}Error: KeyError: [1]\n")


def test_a_long_line_of_an_error_is_not_broken(rayfaas: Terminal) -> None:
    rayfaas.serve(refusing(FunctionError("x" * 500)))
    assert f"Error: {'x' * 500}\n" in rayfaas("call", "f").err


def test_the_timeout_goes_with_the_call(rayfaas: Terminal) -> None:
    async def timeout(request: Request, reply: Reply) -> None:
        await reply.json(request.headers["rayfaas-timeout"])

    rayfaas.serve(timeout)
    assert rayfaas("call", "f", "--timeout", "2.5").json == "2.5"


def test_a_dry_run_prints_what_would_be_called_and_calls_nothing(rayfaas: Terminal) -> None:
    found = {"function": "nlp/f", "version": 3, "alias": "prod", "checked": ["target"], "unchecked": {}}

    async def validate(request: Request, reply: Reply) -> None:
        assert request.headers["prefer"] == "validate-only"
        await reply.json({"target": "f", **found})

    rayfaas.serve(validate)
    assert rayfaas("call", "--dry-run", "f", "2", "height=3").json == found
    assert rayfaas.requests[0].json() == {"args": [2], "kwargs": {"height": 3}}


def test_a_dry_run_fails_as_the_call_would(rayfaas: Terminal) -> None:
    rayfaas.serve(refusing(InvalidArguments("height is missing")))
    code, out, err = rayfaas("call", "--dry-run", "f")
    assert (out, "Error: height is missing" in err) == ("", True)
    assert code == rayfaas("call", "f").code != 0


def test_what_is_written_while_it_runs_goes_to_stderr_and_the_result_to_stdout(rayfaas: Terminal) -> None:
    log = {"log": {"text": "step 1\n", "stream": "stdout"}}
    rayfaas.serve(streaming(log, {"item": [1, 2]}, {"done": {"single": True}}))
    assert rayfaas("call", "f", "-f") == (0, "[1, 2]\n", "step 1\n")
    assert rayfaas.requests[0].headers["rayfaas-logs"] == "1"
    rayfaas.serve(streaming({"item": 1}, log, {"done": {}}))
    assert rayfaas("call", "f", "--follow") == (0, "[1]\n", "step 1\n")


def test_team_and_priority_go_with_the_call(rayfaas: Terminal) -> None:
    rayfaas.serve(answering(1))
    rayfaas("call", "f", "--team", "nlp", "--priority", "-3")
    headers = rayfaas.requests[0].headers
    assert (headers["rayfaas-team"], headers["rayfaas-priority"]) == ("nlp", "-3")
    assert rayfaas("call", "f", "--priority", "urgent").code == 1


def test_a_debugger_is_answered_from_stdin_and_let_go_at_its_end(rayfaas: Terminal) -> None:
    def said(text: str, waits: bool = True) -> dict[str, Any]:
        return {"debug": {"call": CALL, "text": text, "waits": waits}}

    async def handler(request: Request, reply: Reply) -> None:
        if request.path.endswith("/debug"):
            await reply.send(204)
        else:
            said_all = (said("> f()\n(Pdb) "), said("2\n(Pdb) "), said("bye\n", False))
            await streaming(*said_all, {"item": 4}, {"done": {}})(request, reply)

    rayfaas.serve(handler)
    assert rayfaas("call", "f", "--debug", stdin="p y\n") == (0, "4\n", "> f()\n(Pdb) 2\n(Pdb) bye\n")
    call, *typed = rayfaas.requests
    assert call.headers["rayfaas-debug"] == "1"
    assert [(request.path, request.body) for request in typed] == [
        (f"/calls/{CALL}/debug", b"p y\n"),
        (f"/calls/{CALL}/debug", b"continue\n"),
    ]
