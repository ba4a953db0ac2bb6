"""What `rayfaas up` was asked for, on its way from the command line to the processes of the home server."""

from __future__ import annotations

import msgspec

from rayfaas.config import CACHE_MB, DEFAULT_PORT, KEEP_RESULTS_S, MAX_BODY_MB, Limits, Retention, local_url


class ServerOptions(msgspec.Struct, frozen=True):
    """Each process takes of them what is its own. What they mean the command line's help says.

    >>> ServerOptions.parse(str(ServerOptions(gateways=2))).gateways
    2
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    gateways: int = 1
    ray_address: str = ""
    cpus: float | None = None
    gpus: float | None = None
    head_address: str = ""
    max_body_mb: float = MAX_BODY_MB
    webhook_networks: tuple[str, ...] = ()
    cluster_address: str = ""
    cluster_listen: str = ""
    public_url: str = ""
    keep_results_s: float = KEEP_RESULTS_S
    keep_calls_s: float = Retention.keep_calls_s
    keep_logs_s: float = Retention.keep_logs_s
    keep_arguments_s: float = Retention.keep_arguments_s
    delete_calls_s: float | None = None
    delete_logs_s: float | None = None
    archive: str = ""
    archive_cache_mb: float = Retention.archive_cache_mb
    pass_env: tuple[str, ...] = ()
    environments_gb: float = 50.0
    cache_mb: float = CACHE_MB
    head_keep_alive: str = "never"

    @classmethod
    def parse(cls, text: str) -> ServerOptions:
        return msgspec.json.decode(text, type=cls)

    def __str__(self) -> str:
        """JSON, as `parse` takes it."""
        return msgspec.json.encode(self).decode()

    @property
    def url(self) -> str:
        """Where this machine reaches the server."""
        return local_url(self.host, self.port)

    @property
    def limits(self) -> Limits:
        return Limits(max_body=int(self.max_body_mb * (1 << 20)))

    @property
    def cache_bytes(self) -> int:
        return int(self.cache_mb * (1 << 20))

    @property
    def retention(self) -> Retention:
        return Retention(
            self.keep_calls_s,
            self.keep_logs_s,
            self.delete_calls_s,
            self.delete_logs_s,
            self.keep_arguments_s,
            self.archive,
            self.archive_cache_mb,
        )
