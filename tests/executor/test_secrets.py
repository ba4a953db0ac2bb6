"""What an executor says does not hold its secrets, however it is said and wherever it is cut."""

from __future__ import annotations

import os
import signal

import pytest

from rayfaas.errors import ImportFailed
from tests.executor.replica import Replica

SECRET = "correct-horse-battery"
SAYS = """
    import logging, os, sys
    def f(how):
        secret = os.environ["API_KEY"]
        if how == "cut":
            print(secret[:9], end="", flush=True)
            sys.stdout.flush()
            print(secret[9:])
        elif how == "log":
            logging.warning("it is %s", secret)
        elif how == "raise":
            raise KeyError(secret)
        elif how == "crash":
            os.write(2, secret[:5].encode())
            os.write(2, secret[5:].encode() + b"\\n")
            os._exit(3)
        return "said"
"""


@pytest.mark.parametrize(("how", "stream", "shown"), [("cut", "stdout", "***\n"), ("log", "log", "root: it is ***\n")])
async def test_output_is_redacted(replica: Replica, how: str, stream: str, shown: str) -> None:
    call = (await replica.deploy(SAYS, secrets={"API_KEY": SECRET})).call(how)
    assert await call.value() == "said"
    assert call.output(stream) == shown


async def test_an_exception_is_redacted_in_its_message_and_its_traceback(replica: Replica) -> None:
    version = await replica.deploy(SAYS, secrets={"API_KEY": SECRET})
    error = await version.call("raise").error()
    assert "***" in error.extra["message"]
    assert SECRET not in error.detail + str(error.extra)


async def test_the_last_words_of_a_crash_are_redacted(replica: Replica) -> None:
    version = await replica.deploy(SAYS, secrets={"API_KEY": SECRET})
    await version.call("crash").died()
    death = await replica.death_of(version)
    assert death.output == "***"


async def test_an_import_that_fails_does_not_tell(replica: Replica) -> None:
    with pytest.raises(ImportFailed) as failed:
        await replica.deploy("import os\nraise ValueError(os.environ['API_KEY'])", secrets={"API_KEY": SECRET})
    assert SECRET not in str(failed.value) + str(failed.value.extra)
    assert "***" in failed.value.detail


async def test_the_next_executor_of_the_zygote_does_not_have_them(replica: Replica) -> None:
    knowing = await replica.deploy(SAYS, secrets={"API_KEY": SECRET})
    assert await replica.run("import os\ndef f(): return os.environ.get('API_KEY')") is None
    os.kill(knowing.pid, signal.SIGKILL)
