"""What a provider tells a machine before it takes it back; only the machine itself can ask.

notices = notices_of("aws")
await notices.look()  # "" as long as it stays, "terminate at 2026-11-27T12:02:00Z" two minutes before it goes
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import httpx

METADATA = "http://169.254.169.254"
ASK_S = 5.0


class Notices(ABC):
    """Asks the metadata service of the machine it runs on, at `url`."""

    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, url: str = METADATA) -> None:
        # Not through anybody's proxy: the address is this machine's own.
        self._http = httpx.AsyncClient(base_url=url, headers=self.headers, timeout=ASK_S, trust_env=False)

    @abstractmethod
    async def look(self) -> str:
        """What is going to be done, "" for nothing. Raises `httpx.HTTPError`."""

    async def close(self) -> None:
        await self._http.aclose()


class AwsNotices(Notices):
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html"""

    _token = ""

    async def look(self) -> str:
        if not self._token:
            ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
            self._token = (await self._http.put("/latest/api/token", headers=ttl)).raise_for_status().text
        token = {"X-aws-ec2-metadata-token": self._token}
        answer = await self._http.get("/latest/meta-data/spot/instance-action", headers=token)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ""
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._token = ""
        told = answer.raise_for_status().json()
        return f"{told['action']} at {told['time']}"


class GcpNotices(Notices):
    """https://cloud.google.com/compute/docs/instances/spot#preemption-process"""

    headers: ClassVar[dict[str, str]] = {"Metadata-Flavor": "Google"}

    async def look(self) -> str:
        answer = await self._http.get("/computeMetadata/v1/instance/preempted")
        return "preempted" if answer.raise_for_status().text.strip() == "TRUE" else ""


class AzureNotices(Notices):
    """https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events"""

    headers: ClassVar[dict[str, str]] = {"Metadata": "true"}
    _name = ""

    async def look(self) -> str:
        if not self._name:
            path = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
            self._name = (await self._http.get(path)).raise_for_status().text.strip()
        answer = await self._http.get("/metadata/scheduledevents?api-version=2020-07-01")
        for event in answer.raise_for_status().json()["Events"]:
            if event["EventType"] in ("Preempt", "Terminate") and self._name in event["Resources"]:
                return f"{event['EventType'].lower()} at {event.get('NotBefore') or 'once'}"
        return ""


NOTICES: dict[str, type[Notices]] = {"aws": AwsNotices, "azure": AzureNotices, "gcp": GcpNotices}


def notices_of(provider: str, url: str = "") -> Notices:
    """Those of a machine of a provider, whose metadata is at `url` if not where it always is."""
    return NOTICES[provider](url or METADATA)
