"""Where things are and what limits hold. The only place that reads the environment, which it takes as an argument."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rayfaas.errors import BadRequest

DEFAULT_PORT = 8700
MAX_BODY_MB = 2048  # 1 GiB, and what a form or an encoding adds to it
CACHE_MB = 1024
ARCHIVE_CACHE_MB = 1024
# How long arguments and results of spawned calls are kept after their end.
KEEP_RESULTS_S = 7 * 86_400.0
DAY_S = 86_400.0

# A UNIX socket's path holds 107 bytes on Linux; the longest name we put behind a run directory is 40.
_LONGEST_RUN_DIR = 60


@dataclass(frozen=True)
class Home:
    """The directory that holds all state of one home server."""

    path: Path

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Home:
        given = environ.get("RAYFAAS_HOME")
        return cls(Path(given).expanduser().absolute() if given else Path.home() / ".rayfaas")

    @property
    def run(self) -> Path:
        """Sockets and Ray's session: short, because a UNIX socket's path must be."""
        run = self.path / "run"
        if len(bytes(run)) <= _LONGEST_RUN_DIR:
            return run
        return Path(tempfile.gettempdir()) / f"rayfaas-{hashlib.sha256(bytes(self.path)).hexdigest()[:12]}"

    @property
    def server_file(self) -> Path:
        """`{"url": …, "pid": …, "processes": …}` of the running server."""
        return self.path / "server.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the parent of the home server for as long as it lives."""
        return self.path / "lock"

    @property
    def token_file(self) -> Path:
        """The admin's token, mode 0600: CLI and SDK of the same user find it here."""
        return self.path / "token"

    @property
    def key_file(self) -> Path:
        """The key with which gateways and the controller know each other, mode 0600."""
        return self.path / "home.key"

    @property
    def certificate_file(self) -> Path:
        """Key and certificate with which clusters on other machines know this home, as PEM, mode 0600."""
        return self.path / "certificate.pem"

    @property
    def secrets_key_file(self) -> Path:
        """The key that functions' secrets are encrypted with in the registry, mode 0600. Back it up apart from that."""
        return self.path / "secrets.key"

    @property
    def ray_token_file(self) -> Path:
        """The token that the Ray cluster of this home asks for, mode 0600: `RAY_AUTH_MODE=token`."""
        return self.path / "ray.token"

    @property
    def clouds_file(self) -> Path:
        """Settings of the providers of machines, a table for each: `[aws]` …"""
        return self.path / "clouds.toml"

    @property
    def owner_file(self) -> Path:
        """The id of this installation, with which its machines are tagged."""
        return self.path / "owner"

    @property
    def machines(self) -> Path:
        """Those of the provider `local`, a folder for each."""
        return self.path / "machines"

    @property
    def gateway_file(self) -> Path:
        """Of a gateway on another machine: who it is, where its controller is, and its keys; mode 0600."""
        return self.path / "gateway.json"

    @property
    def database(self) -> Path:
        return self.path / "registry.duckdb"

    @property
    def archive(self) -> Path:
        """Old rows of the registry, as Parquet files."""
        return self.path / "archive"

    @property
    def outgoing(self) -> Path:
        """What is being made for somebody who takes it away: backups, exports."""
        return self.path / "outgoing"

    @property
    def bundles(self) -> Path:
        return self.path / "bundles"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def controller_socket(self) -> Path:
        return self.run / "controller.sock"

    @property
    def controller_address(self) -> str:
        return f"unix:{self.controller_socket}"

    @property
    def cache(self) -> Path:
        """Unpacked bundles and environments of the cluster on this machine, and where its executors work."""
        return self.path / "cache"

    @property
    def cached(self) -> Path:
        """Results of functions with `cache=`, which the gateways share."""
        return self.path / "cached"

    @property
    def deployed(self) -> Path:
        """What this user last deployed to which alias of which server."""
        return self.path / "deployed"

    @property
    def cluster_file(self) -> Path:
        """`{"name": …, "address": …, "dashboard": …}` of the cluster that this home started or joined."""
        return self.path / "cluster.json"

    def write_cluster(self, name: str, address: str, dashboard_port: int | None) -> None:
        dashboard = f"http://127.0.0.1:{dashboard_port}" if dashboard_port else None
        self.cluster_file.write_text(json.dumps({"name": name, "address": address, "dashboard": dashboard}))

    def gateway_socket(self, slot: int) -> Path:
        """Where executors dial gateway number `slot`."""
        return self.run / f"gateway-{slot}.sock"


@dataclass(frozen=True)
class Retention:
    """How long, in seconds, calls with what they touched, and lines of logs, stay in the registry's file before they
    move to the archive; and after what time they are deleted, None for never. Recorded arguments are kept for
    `keep_arguments_s`, and no longer than their calls. `archive` is the URL of an object store that the archive is kept
    in, empty for the home's folder; `archive_cache_mb` is the disk for parts of it that were read."""

    keep_calls_s: float = 90 * DAY_S
    keep_logs_s: float = 30 * DAY_S
    delete_calls_s: float | None = None
    delete_logs_s: float | None = None
    keep_arguments_s: float = 7 * DAY_S
    archive: str = ""
    archive_cache_mb: float = ARCHIVE_CACHE_MB


@dataclass(frozen=True)
class Limits:
    """What the gateway refuses. Sizes are in bytes."""

    max_body: int = MAX_BODY_MB << 20
    max_queue: int = 1_000  # calls waiting for one version on one gateway


@dataclass(frozen=True)
class ClientConfig:
    """Which server the SDK and the CLI speak to, and as whom.

    RAYFAAS_URL and RAYFAAS_TOKEN say so; without them it is the server of this user's home, with its admin token.
    RAYFAAS_TEAM says for which of the token's teams; without it for its first.
    """

    url: str
    token: str | None = field(repr=False)
    team: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> ClientConfig:
        home = Home.from_env(environ)
        url = environ.get("RAYFAAS_URL") or _local_url(home)
        token = environ.get("RAYFAAS_TOKEN") or (None if environ.get("RAYFAAS_URL") else _read(home.token_file))
        return cls(url.rstrip("/"), token, environ.get("RAYFAAS_TEAM") or None)


class Surroundings:
    """What the environment tells of who runs this program: an Airflow task, a GitHub Actions job, a notebook.

    >>> Surroundings.airflow({"AIRFLOW_CTX_DAG_ID": "nightly", "AIRFLOW_CTX_TASK_ID": "embed"})
    {'dag': 'nightly', 'task': 'embed'}
    """

    @staticmethod
    def airflow(environ: Mapping[str, str]) -> dict[str, str]:
        """Set by every version of Airflow, for what a task starts too. Empty elsewhere."""
        return _told(environ, _AIRFLOW) if "AIRFLOW_CTX_DAG_ID" in environ else {}

    @staticmethod
    def github(environ: Mapping[str, str]) -> dict[str, str]:
        return _told(environ, _GITHUB) if environ.get("GITHUB_ACTIONS") == "true" else {}

    @staticmethod
    def notebook(environ: Mapping[str, str]) -> str | None:
        """The notebook's path, as Jupyter's server gives it to kernels."""
        return environ.get("JPY_SESSION_NAME")


_AIRFLOW = {
    "dag": "AIRFLOW_CTX_DAG_ID",
    "run": "AIRFLOW_CTX_DAG_RUN_ID",
    "task": "AIRFLOW_CTX_TASK_ID",
    "try": "AIRFLOW_CTX_TRY_NUMBER",
}
_GITHUB = {
    "repository": "GITHUB_REPOSITORY",
    "workflow": "GITHUB_WORKFLOW",
    "job": "GITHUB_JOB",
    "run": "GITHUB_RUN_ID",
    "attempt": "GITHUB_RUN_ATTEMPT",
    "sha": "GITHUB_SHA",
    "actor": "GITHUB_ACTOR",
}


def _told(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[variable] for name, variable in variables.items() if variable in environ}


def local_url(host: str, port: int) -> str:
    """How this machine reaches a server that listens on `host`.

    >>> local_url("0.0.0.0", 8700), local_url("::1", 80)
    ('http://127.0.0.1:8700', 'http://[::1]:80')
    """
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _local_url(home: Home) -> str:
    text = _read(home.server_file)
    if text is None:
        return f"http://127.0.0.1:{DEFAULT_PORT}"
    try:
        return str(json.loads(text)["url"])
    except (ValueError, KeyError, TypeError):
        raise BadRequest(f"{home.server_file} does not say where the server is. Start it again: rayfaas up.") from None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} can't be read: {error}. Set RAYFAAS_URL and RAYFAAS_TOKEN, or mend it.") from None
