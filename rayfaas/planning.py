"""Plans of deploys: what one would change and reuse, who is concerned, how long it may take."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from rayfaas.archive import Archive
from rayfaas.bundle import Bundle
from rayfaas.later import Later
from rayfaas.remembered import Remembered
from rayfaas.transport import Transport

if TYPE_CHECKING:
    from rayfaas import spec as models
    from rayfaas.spec import Publish
else:
    models = Later("rayfaas.spec")

Json = dict[str, Any]


async def plan(
    transport: Transport, remembered: Remembered | None, team: str, name: str, bundle: Bundle, publish: Publish
) -> Json:
    """Ask for the plan of this deploy. The next deploy is made from what the alias leads to now."""
    planned = models.Planned(publish=publish, files=digests(bundle))
    found: Json = await transport.post(f"/v1/functions/{team}/{name}/plan", planned.model_dump(mode="json"))
    if remembered is not None:
        remembered.remember(transport.url, f"{team}/{name}@{publish.alias}", int(found["revision"]))
    return found


def digests(bundle: Bundle) -> dict[str, str]:
    """The SHA-256 of each file of a bundle."""
    archive = Archive(bundle.archive, bundle.digest)
    return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.files}
