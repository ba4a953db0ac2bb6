"""Where one gateway is, who it is, and what limits hold there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rayfaas.config import CACHE_MB, Limits, local_url
from rayfaas.entrance import Entrance
from rayfaas.gateway.keys import Keys


@dataclass(frozen=True)
class GatewayConfig:
    """`controller` is an address (`rayfaas.address`), `keys` say who this is and sign.

    `webhook_networks` are those to which webhooks may go though they are not public; `entrance` is where executors of
    other machines come in; `public_url` is where those reach this gateway by HTTP, if not where its entrance says.
    Results are kept in `cache`, `cache_bytes` of them.
    """

    name: str
    host: str
    port: int
    executor_socket: Path
    controller: str
    journal: Path
    keys: Keys
    limits: Limits
    cache: Path
    webhook_networks: tuple[str, ...] = ()
    entrance: Entrance | None = None
    public_url: str = ""
    cache_bytes: int = CACHE_MB << 20

    @property
    def url(self) -> str:
        """Where executors of this machine reach this gateway by HTTP."""
        return local_url(self.host, self.port)

    @property
    def network_url(self) -> str:
        """Where those on other machines do."""
        guessed = self.entrance.http_url(self.host, self.port) if self.entrance else ""
        return self.public_url or guessed or self.url

    @property
    def is_elsewhere(self) -> bool:
        """Whether its controller is on another machine, which can't read the journal's folder."""
        return not self.controller.startswith("unix:")

    @property
    def executor_address(self) -> str:
        """Where executors dial this gateway."""
        return f"unix:{self.executor_socket}"

    @property
    def network_address(self) -> str:
        """Where those on other machines do; "": nowhere."""
        return self.entrance.address if self.entrance else ""
