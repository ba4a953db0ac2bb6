"""What a supervisor tells its zygote and its executors, and what it hears from them.

Supervisor and zygote speak in packets (a SOCK_SEQPACKET socket pair): a `Fork` comes with two file descriptors, the
executor's control channel and its output pipe; the zygote answers with `Forked` and, when the process ends, `Exited`.
Supervisor and executor speak in frames over that control channel: the executor says `Imported` or an error, the
supervisor the gateways to dial, or DRAIN.
"""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct):
    """All that an executor needs to run one version. `key` proves this identity at a gateway, and no other."""

    executor: str
    function: str
    version: int
    bundle_path: str
    entry_kind: str
    entry_module: str
    entry_name: str
    concurrency: int
    gateways: list[str]
    key: bytes
    cluster: str
    node: str
    replica: str
    hardware: str
    env: dict[str, str] = {}

    @property
    def version_key(self) -> str:
        return f"{self.function}:{self.version}"


class Fork(msgspec.Struct, tag=True):
    order: Order


class Forked(msgspec.Struct, tag=True):
    executor: str
    pid: int


class Exited(msgspec.Struct, tag=True):
    """`status` is as `os.waitpid` gives it."""

    executor: str
    status: int


class Preloaded(msgspec.Struct, tag=True):
    """The zygote is up. `refused` names the modules that it could not load, or that do not survive a fork, and why."""

    modules: list[str]
    refused: dict[str, str]
    took_ms: float


FromZygote = Forked | Exited | Preloaded
encode_packet = msgspec.msgpack.Encoder().encode
decode_fork = msgspec.msgpack.Decoder(Fork).decode
decode_from_zygote = msgspec.msgpack.Decoder(FromZygote).decode

MAX_PACKET = 128 << 10


class Imported(msgspec.Struct):
    """The version's code is imported and its gateways are dialled: it is ready.

    `interface` is the function's kind, schemas and docstring; `heavy` are the installed packages whose import took
    long, with the milliseconds of each, and `modules` all modules of them that the import loaded, in order.
    """

    interface: dict[str, object]
    import_ms: float
    heavy: dict[str, float]
    modules: list[str]
