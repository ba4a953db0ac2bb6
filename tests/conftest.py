"""What holds for all tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from rayfaas.context import current_call, enter_call

# How long an example takes says on a busy machine nothing of the code.
hypothesis.settings.register_profile("no deadlines", deadline=None)
hypothesis.settings.load_profile("no deadlines")


@pytest.fixture(scope="session", autouse=True)
def temporary_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests, and the processes that they start and kill, leave in the temporary directory goes with the run."""
    tmp_path_factory.getbasetemp()  # stays where pytest has it, for people to look at
    directory = tempfile.mkdtemp(prefix="rt-")  # short: Ray puts sockets below it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", directory)
        patch.setattr(tempfile, "tempdir", directory)
        yield
    shutil.rmtree(directory, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test wrote is told to another process where several share the tests, and only UTF-8 goes there."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """A call that a test entered and did not leave would be the context of all that come after it."""
    call = current_call()
    enter_call(None)
    assert call is None, "this test entered a call and has not left it"
