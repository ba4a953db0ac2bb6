"""What a supervisor tells its zygote and its executors, and what it hears from them.

Supervisor and zygote speak in packets (a SOCK_SEQPACKET socket pair). A `Fork` comes with two file descriptors, the
executor's control channel and its output pipe, and where it has secrets a third with those; a `Grow` with the new
zygote's end of a packet socket of its own and a file with a JSON list of modules, on which that one says `Preloaded`
when it has them. The zygote that forked answers with `Forked` and, when the process ends, `Exited`.
Supervisor and executor speak in frames over that control channel: the executor says `Imported` or an error, the
supervisor the gateways to dial, or DRAIN.
"""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct):
    """All that an executor needs to run one version. `key` proves this identity at a gateway, and no other.

    `scratch` is a directory of its own, which it makes and works in. Secrets are not in it: they come on a file
    descriptor that the zygote hands on without reading, so that no other executor inherits their memory; `edition` says
    which values they have (`rayfaas.editions`).
    """

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
    scratch: str
    env: dict[str, str] = {}
    record_arguments: bool | list[str] = False
    edition: str = ""

    @property
    def version_key(self) -> str:
        return f"{self.function}:{self.version}"


class Fork(msgspec.Struct, tag=True):
    order: Order


class Grow(msgspec.Struct, tag=True):
    """Fork a zygote that has more modules loaded."""

    zygote: str


class Forked(msgspec.Struct, tag=True):
    """`child` is the id of an executor or of a zygote."""

    child: str
    pid: int


class Exited(msgspec.Struct, tag=True):
    """`status` is as `os.waitpid` gives it."""

    child: str
    status: int


class Preloaded(msgspec.Struct, tag=True):
    """The zygote is up. `refused` names the modules that it could not load, and why; `cost_ms` what importing took of
    those that took long.

    `unfit` says why what it loaded does not survive a fork: then it has ended, and is of no use.
    """

    refused: dict[str, str]
    took_ms: float
    unfit: str | None = None
    cost_ms: dict[str, float] = {}


ToZygote = Fork | Grow
FromZygote = Forked | Exited | Preloaded
encode_packet = msgspec.msgpack.Encoder().encode
decode_to_zygote = msgspec.msgpack.Decoder(ToZygote).decode
decode_from_zygote = msgspec.msgpack.Decoder(FromZygote).decode

MAX_PACKET = 128 << 10


class Imported(msgspec.Struct):
    """The version's code is imported and its gateways are dialled: it is ready.

    `interface` is the function's kind, schemas and docstring, of a class those of its methods; `heavy` are the
    installed packages whose import took long, with the milliseconds of each, and `modules` all modules of them that the
    import loaded, in order.
    """

    interface: dict[str, object]
    import_ms: float
    heavy: dict[str, float]
    modules: list[str]
