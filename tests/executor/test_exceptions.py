"""A caller hears of an exception as the author of the function knows it."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import rayfaas.executor
from rayfaas.errors import FunctionError, RayfaasError
from rayfaas.executor.exceptions import describe_exception, format_traceback
from tests.executor.replica import Replica


class Outer:
    class Odd(Exception):
        pass


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError("no words")

    __repr__ = __str__


class NotText(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


def described(error: BaseException, cause: BaseException | None = None) -> RayfaasError:
    try:
        raise error from cause
    except BaseException as raised:
        return describe_exception(raised)


def test_an_exception_is_named_as_its_author_names_it() -> None:
    builtin, own = described(KeyError("x")), described(Outer.Odd("why"))
    assert isinstance(builtin, FunctionError)
    assert (builtin.exception, builtin.message, builtin.detail) == ("KeyError", "'x'", "KeyError: 'x'")
    assert isinstance(own, FunctionError)
    assert own.exception == f"{__name__}.Outer.Odd"
    assert described(ValueError()).detail == "ValueError"


def test_an_exception_that_can_not_be_written_is_told_all_the_same() -> None:
    error = described(Unspeakable())
    assert isinstance(error, FunctionError)
    assert "str() of it raised ZeroDivisionError" in error.message
    assert "Unspeakable" in error.traceback
    assert "str() of it raised TypeError" in described(NotText()).detail


def test_who_opens_a_file_that_was_not_deployed_hears_how_to_send_it_along() -> None:
    error = described(FileNotFoundError(2, "No such file or directory", "labels.txt"))
    assert isinstance(error, FunctionError)
    assert 'with include=["labels.txt"]' in error.traceback.splitlines()[-1]
    assert "labels.txt'" in error.traceback.splitlines()[-2], "as Python says it"


@pytest.mark.parametrize("error", [FileNotFoundError(2, "no", "/data/x"), FileNotFoundError("x"), OSError(2, "no")])
def test_of_a_file_that_is_not_in_its_directory_there_is_no_more_to_say(error: OSError) -> None:
    assert "include" not in format_traceback(error)


def test_what_led_to_it_is_told_the_nearest_first() -> None:
    middle = KeyError("middle")
    middle.__cause__ = OSError("first")
    causes = described(ValueError("last"), middle).extra["causes"]
    assert [(c["exception"], c["message"]) for c in causes] == [("KeyError", "'middle'"), ("OSError", "first")]


def test_causes_that_go_round_in_a_circle_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert [c["message"] for c in described(first, second).extra["causes"]] == ["second"]


def test_a_long_chain_of_causes_is_cut() -> None:
    error = ValueError("0")
    for number in range(1, 200):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    assert len(described(error, error.__cause__).extra["causes"]) < 50


def test_a_traceback_has_the_names_that_files_have_in_their_bundle(tmp_path: Path) -> None:
    unpacked = tmp_path / "cache" / "bundles" / ("a1" * 32)
    (unpacked / "package").mkdir(parents=True)
    source = unpacked / "package" / "model.py"
    source.write_text("def load():\n    raise OSError('no model')\n")
    try:
        runpy.run_path(str(source))["load"]()
    except OSError as error:
        found = format_traceback(error)
    assert '  File "package/model.py", line 2, in load\n    raise OSError' in found
    assert str(unpacked) not in found


async def test_a_traceback_holds_the_users_frames_only(replica: Replica) -> None:
    source = """
        def divide(x):
            return 1 / x
        def f(x):
            return divide(x)
    """
    version = await replica.deploy(source)
    error = await version.call(0).error()
    assert isinstance(error, FunctionError)
    assert "return divide(x)" in error.traceback
    assert "return 1 / x" in error.traceback
    assert error.traceback.count('File "') == 2
    assert rayfaas.executor.__path__[0] not in error.traceback


async def test_the_frames_of_a_generator_and_of_a_coroutine_are_the_users_too(replica: Replica) -> None:
    for source in (
        "def f():\n    yield 1\n    raise ValueError('late')",
        "async def f():\n    raise ValueError('late')",
        "async def f():\n    yield 1\n    raise ValueError('late')",
    ):
        error = await (await replica.deploy(source)).call().error()
        assert isinstance(error, FunctionError)
        assert error.traceback.count('File "') == 1
        assert "raise ValueError('late')" in error.traceback


async def test_a_traceback_tells_of_what_was_handled_when_it_was_raised(replica: Replica) -> None:
    source = """
        def f():
            try:
                {}["x"]
            except KeyError:
                raise ValueError("mended") from None
            finally:
                print("done")
    """
    error = await (await replica.deploy(source)).call().error()
    assert isinstance(error, FunctionError)
    assert "KeyError" not in error.traceback
    assert error.extra["causes"] == []
