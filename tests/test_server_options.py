"""What `rayfaas up` is asked for reaches the processes of the server as it was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rayfaas.cli.server import up
from rayfaas.config import Home, Limits, Retention
from rayfaas.server.gateway import config_of
from rayfaas.server_options import ServerOptions


def test_the_command_line_has_them_all_with_the_same_defaults() -> None:
    said = up.make_context("up", []).params
    assert said.pop("foreground") is False
    assert ServerOptions(**said) == ServerOptions()
    assert set(said) == set(ServerOptions.__struct_fields__)


def test_they_are_the_same_after_their_way() -> None:
    options = ServerOptions(
        "::1", 80, 3, cpus=1.5, webhook_networks=("10.0.0.0/8",), pass_env=("HF_*",), archive="s3://b"
    )
    assert ServerOptions.parse(str(options)) == options


def test_what_is_kept_how_long_is_what_was_said() -> None:
    said: dict[str, Any] = {"keep_calls_s": 1.0, "keep_logs_s": 2.0, "delete_calls_s": 3.0, "delete_logs_s": 4.0}
    said |= {"keep_arguments_s": 5.0, "archive_cache_mb": 6.0}
    assert ServerOptions(archive="s3://b", **said).retention == Retention(archive="s3://b", **said)
    assert ServerOptions().retention == Retention()


def test_a_gateway_is_where_and_as_large_as_was_said(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.key_file.write_bytes(b"k" * 32)
    config = config_of(home, 1, ServerOptions("::1", 80, max_body_mb=0.5, cache_mb=2, webhook_networks=("10.0.0.0/8",)))
    assert (config.name, config.host, config.port, config.entrance) == ("gateway-1", "::1", 80, None)
    assert (config.limits, config.cache_bytes) == (Limits(max_body=512 << 10), 2 << 20)
    assert config.webhook_networks == ("10.0.0.0/8",)
