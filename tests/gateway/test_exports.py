"""An export is sent as its file is, wherever that lies, and is gone when it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rayfaas.gateway import exports
from tests.gateway.small import SmallGateway

NAME = "export-019ad3a0-0000-7000-8000-000000000001.parquet"


async def test_a_file_of_this_machine_is_sent_and_gone(gateway: SmallGateway, tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(b"PAR1 and more")
    gateway.controller.answers["export"] = {"file": str(file), "rows": 7}
    answer = await gateway.ask("GET", "/v1/export/functions", who="vera")
    assert (answer.status, answer.body, answer.headers["rayfaas-rows"]) == (200, b"PAR1 and more", "7")
    assert not file.exists()


async def test_a_file_of_the_controllers_machine_is_fetched_in_pieces(gateway: SmallGateway) -> None:
    content = b"p" * (2 * exports._CHUNK)
    asked: list[tuple[int, int]] = []

    async def read(link: Any, file: str, offset: int, limit: int) -> bytes:
        assert file == f"/home/of/the/server/{NAME}"
        asked.append((offset, limit))
        return content[offset : offset + limit]

    gateway.controller.methods["read_export"] = read
    gateway.controller.answers["export"] = {"file": f"/home/of/the/server/{NAME}", "rows": 7}
    link = gateway.link._link
    assert link is not None
    link.is_remote = True
    answer = await gateway.ask("GET", "/v1/export/functions", who="vera")
    assert answer.body == content
    assert asked == [(number * exports._CHUNK, exports._CHUNK) for number in range(3)]
