"""A gateway's folder: it joins once, is in use by one process, and says what is wrong with it."""

from __future__ import annotations

import stat
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from rayfaas.config import Home
from rayfaas.server.elsewhere import Membership, locked, main, membership
from rayfaas.whole_file import write_whole

MEMBER = Membership("edge", "tls:192.0.2.1:8701:ab", b"link", b"calls", b"webhooks")
RUN = ["--port", "1", "--cluster-address", "127.0.0.1:1"]


def test_a_home_that_has_not_joined_says_how_one_does(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["run", "--home", str(tmp_path), *RUN])
    assert (ran.exit_code, "rayfaas gateway join-token" in ran.output) == (1, True)


def test_a_home_is_for_one_process_at_a_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with locked(home), pytest.raises(click.ClickException, match="already"), locked(home):
        pass
    with locked(home):
        pass


@pytest.mark.parametrize("token", ["", "rfj_nothing", "rf_of-a-user"])
def test_what_is_no_token_joins_nothing(tmp_path: Path, token: str) -> None:
    ran = CliRunner().invoke(main, ["join", "--home", str(tmp_path / "home")], env={"RAYFAAS_JOIN": token})
    assert ran.exit_code != 0
    assert not (tmp_path / "home").exists()


def test_a_membership_is_kept_as_it_was_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_whole(home.gateway_file, msgspec.json.encode(MEMBER))
    assert membership(home) == MEMBER
    assert stat.S_IMODE(home.gateway_file.stat().st_mode) == 0o600
