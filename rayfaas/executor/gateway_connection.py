"""One gateway, as an executor keeps it dialled: say what is ready to run, hear of calls, leave when told to."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Protocol

import msgspec

from rayfaas.envelope import ReadyHeader
from rayfaas.errors import RayfaasError
from rayfaas.executor.channel import Channel, dial
from rayfaas.executor.complaint import complain
from rayfaas.executor.intake import Intake
from rayfaas.frames import Kind, Message
from rayfaas.orders import Order

_RETRY_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_encode = msgspec.msgpack.Encoder().encode


class Hearer(Protocol):
    """Who answers what a gateway sends."""

    def accept(self, channel: Channel, message: Message) -> None: ...

    def gateway_gone(self, channel: Channel) -> None: ...


class GatewayConnection:
    """Keeps one gateway dialled, on a thread of its own."""

    def __init__(self, address: str, order: Order, at_once: int, intake: Intake, executor: Hearer) -> None:
        self.address, self._order, self._intake, self._executor = address, order, intake, executor
        self._at_once = at_once
        self._channel: Channel | None = None
        self._leaving = False
        self.tried = threading.Event()  # connected, or at least one attempt failed
        self.left = threading.Event()  # no call will come from it any more
        threading.Thread(target=self._keep, name=f"gateway {address}", daemon=True).start()

    def leave(self) -> None:
        """Ask for no more calls; `left` is set when the gateway has agreed or is gone."""
        self._leaving = True
        channel = self._channel
        try:
            if channel is not None:
                channel.send(Kind.DRAIN, 0)
            else:
                self.left.set()
        except OSError:
            self.left.set()

    def forked(self) -> None:
        if (channel := self._channel) is not None:
            channel.forked()

    def _keep(self) -> None:
        attempt = 0
        while not self._leaving:
            try:
                self._channel = dial(self.address, self._identity(), self._order.key)
            except (OSError, RayfaasError):
                self.tried.set()
                time.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1
                continue
            attempt = 0
            self._serve(self._channel)
        self.left.set()

    def _serve(self, channel: Channel) -> None:
        """Returns when the connection has ended."""
        conversation = Conversation(self, channel, self._executor)
        try:
            channel.send(Kind.READY, 0, self._ready())
            if self._leaving:
                channel.send(Kind.DRAIN, 0)
        except OSError:
            pass  # it went while we wrote, which is read below
        self._intake.add(conversation)
        self.tried.set()
        conversation.over.wait()
        self._channel = None
        channel.close()
        self._executor.gateway_gone(channel)

    def _identity(self) -> dict[str, Any]:
        o = self._order
        return {
            "role": "executor",
            "cluster": o.cluster,
            "function": o.function,
            "version": o.version,
            "executor": o.executor,
        }

    def _ready(self) -> bytes:
        o = self._order
        place = (o.replica, o.node, o.cluster, o.hardware)
        return _encode(ReadyHeader(o.version_key, o.executor, self._at_once, os.getpid(), *place, o.edition))


class Conversation:
    """What one connection to a gateway brings, as the intake's `Source`; `over` when it has ended."""

    def __init__(self, gateway: GatewayConnection, channel: Channel, executor: Hearer) -> None:
        self._gateway, self._channel, self._executor = gateway, channel, executor
        self._broken = False
        self.over = threading.Event()

    def fileno(self) -> int:
        return self._channel.fileno()

    def receive(self) -> list[Message] | None:
        try:
            return self._channel.receive()
        except RayfaasError as error:
            self._not_understood(error)
            return None

    def hear(self, message: Message) -> None:
        if self._broken:
            return
        if message.kind == Kind.DRAIN:
            self._gateway.left.set()
            return
        try:
            self._executor.accept(self._channel, message)
        except (RayfaasError, msgspec.DecodeError) as error:
            self._not_understood(error)
            self._channel.hang_up()

    def ended(self) -> None:
        self.over.set()

    def _not_understood(self, error: Exception) -> None:
        self._broken = True
        complain(f"{self._gateway.address} sent what is not understood: {error}")
