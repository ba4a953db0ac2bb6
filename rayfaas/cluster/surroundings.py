"""What processes that run users' code inherit of a node's environment variables: a list of what may pass, no more.

A server's environment holds its operator's credentials, a worker's the cluster's: neither is a function's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

# Where programs are and who runs them, language and time, how to reach the network, what Ray says of the hardware.
PASSED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LANGUAGE", "LC_*", "TZ"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"),
    *("LD_LIBRARY_PATH", "OMP_NUM_THREADS"),
)
# What says where the server's own Python finds its packages.
_BASE = ("PYTHONPATH",)
# How uv is told where packages come from, credentials of an index included: for builds only.
_BUILDING = ("UV_*", "NETRC", "GIT_SSH_COMMAND", "SSH_AUTH_SOCK")

# The TMPDIR of the machine, where Ray's processes have one of their own.
_MACHINES_TMPDIR = "RAYFAAS_TMPDIR"
# Never passed, whatever an operator lists.
_NEVER = ("RAYFAAS_*", "RAY_AUTH_TOKEN")


def own_scratch(environ: Mapping[str, str], directory: Path) -> dict[str, str]:
    """For a cluster's own processes, which leave temporary files behind where they are killed: all are in `directory`,
    which goes with the cluster. Functions have the machine's.

    >>> user_environment(own_scratch({"TMPDIR": "/fast"}, Path("/run/tmp")))
    {'TMPDIR': '/fast'}
    """
    return {**environ, "TMPDIR": str(directory), _MACHINES_TMPDIR: environ.get("TMPDIR", "")}


def user_environment(environ: Mapping[str, str], also: Iterable[str] = ()) -> dict[str, str]:
    """Of a node's variables those that functions see in the server's environment; `also` are names, or patterns, that
    the operator adds.

    >>> user_environment({"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "s", "HF_HOME": "/hf"}, ["HF_*"])
    {'PATH': '/bin', 'HF_HOME': '/hf'}
    """
    return _chosen(environ, (*PASSED, *_BASE, *also))


def environment_of(path: Path, environ: Mapping[str, str], also: Iterable[str] = ()) -> dict[str, str]:
    """Those that functions see in the environment in `path`, whose programs come first."""
    chosen = _chosen(environ, (*PASSED, *also))
    programs = f"{path / 'bin'}:{chosen.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
    return {**chosen, "PATH": programs, "VIRTUAL_ENV": str(path)}


def building_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Those that uv, and the builds that it starts, see."""
    return _chosen(environ, (*PASSED, *_BUILDING))


def ray_variables(environ: Mapping[str, str], address: str) -> dict[str, str]:
    """With which `ray.init()` joins the cluster at `address`."""
    passed = {name: environ[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN") if name in environ}
    return {"RAY_ADDRESS": address, **passed} if address else {}


def _chosen(environ: Mapping[str, str], patterns: tuple[str, ...]) -> dict[str, str]:
    def passes(name: str, among: tuple[str, ...]) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in among)

    chosen = {name: value for name, value in environ.items() if passes(name, patterns) and not passes(name, _NEVER)}
    if (machines := environ.get(_MACHINES_TMPDIR)) is not None:
        del chosen["TMPDIR"]
        chosen |= {"TMPDIR": machines} if machines else {}
    return chosen
