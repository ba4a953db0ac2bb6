"""An executor: the process that runs one version's code. Forked from a zygote, it imports the code, dials the gateways
and answers calls until it is drained or its supervisor is gone.

Threads: the main one belongs to user code; one reads the control channel, one keeps each gateway dialled, and one reads
the gateways while the main one does not.
"""

from __future__ import annotations

import faulthandler
import inspect
import os
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

import msgspec

from rayfaas.asgi_events import decode_event
from rayfaas.default import DEFAULT
from rayfaas.envelope import CallHeader, CancelHeader, CreditHeader, UploadHeader
from rayfaas.errors import DeployError, ImportFailed, to_problem
from rayfaas.executor import forks
from rayfaas.executor.asgi_calls import AsgiCalls
from rayfaas.executor.async_calls import AsyncCalls
from rayfaas.executor.calls import Calls
from rayfaas.executor.channel import Channel
from rayfaas.executor.complaint import complain
from rayfaas.executor.debugging import Debugging
from rayfaas.executor.exchange import RunningExchange
from rayfaas.executor.gateway_connection import GatewayConnection
from rayfaas.executor.import_times import ImportTimes
from rayfaas.executor.intake import Intake
from rayfaas.executor.loading import enter_scratch, load
from rayfaas.executor.output import Capture
from rayfaas.executor.problems import sendable
from rayfaas.executor.program import Program
from rayfaas.executor.recorded_signature import recorded
from rayfaas.executor.running import Check, RunningCall
from rayfaas.executor.sync_calls import SyncCalls
from rayfaas.executor.tracking import Tracking
from rayfaas.executor.upload import RunningUpload
from rayfaas.frames import Kind, Message, encode_header, header_of
from rayfaas.orders import Imported, Order
from rayfaas.redaction import Redactor

# How long interrupted user code may go on before its process is killed.
GRACE_S = 1.0
FIRST_DIAL_S = 2.0

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode
_decode_call = msgspec.msgpack.Decoder(CallHeader).decode
_decode_credit = msgspec.msgpack.Decoder(CreditHeader).decode
_decode_upload = msgspec.msgpack.Decoder(UploadHeader).decode
_decode_cancel = msgspec.msgpack.Decoder(CancelHeader).decode


def run(order: Order, control: Channel, secrets: Mapping[str, str]) -> None:
    """Import, report, serve, leave; returns when the executor is drained."""
    running: dict[tuple[int, int], RunningCall] = {}
    redactor = Redactor(secrets.values())
    capture = Capture(lambda: _only_started(running), redactor)
    Debugging(lambda: _only_started(running))
    faulthandler.enable(2)  # a crash in C leaves its Python stack in the output that callers are told of
    DEFAULT.belong_to_calls()
    os.environ.update({**order.env, **secrets})
    enter_scratch(Path(order.scratch), Path(order.bundle_path))
    tracking = Tracking(order, lambda: _only_started(running))
    started = time.perf_counter()
    try:
        with ImportTimes() as times:
            found = load(order)
            program = recorded(Program.of(found), order.record_arguments, redactor)
            executor = Executor(order, control, program, running, capture, redactor, tracking)
    except ImportFailed as error:
        control.send(Kind.ERROR, 0, encode_header(sendable(redactor.value(to_problem(error)))))
        return
    tracking.begun()
    import_ms = (time.perf_counter() - started) * 1000
    executor.dial_gateways()
    interface = program.interface(inspect.getdoc(found) or "")
    imported = Imported(interface, round(import_ms, 2), times.heavy(), times.modules())
    control.send(Kind.READY, 0, b"", _encode(imported))
    executor.serve()
    tracking.flush()
    program.leave()


def report_failure(control: Channel, error: BaseException) -> None:
    """Something broke outside of every call: before the version was ready, or in a signal handler of the user's, say.

    What it was stands in the process's last output, too.
    """
    os.write(2, "".join(traceback.format_exception(error)).encode("utf-8", "replace"))
    problem = to_problem(DeployError(f"The executor could not start: {type(error).__name__}: {error}"))
    control.send(Kind.ERROR, 0, encode_header(sendable(problem)))


def _only_started(running: dict[tuple[int, int], RunningCall]) -> RunningCall | None:
    started = [call for call in list(running.values()) if call.is_in_user_code]
    return started[0] if len(started) == 1 else None


def _calls_of(program: Program) -> type[Calls]:
    if program.is_application:
        return AsgiCalls
    return AsyncCalls if program.needs_loop else SyncCalls


class Executor:
    """One version, ready to run."""

    def __init__(
        self,
        order: Order,
        control: Channel,
        program: Program,
        running: dict[tuple[int, int], RunningCall],
        capture: Capture,
        redactor: Redactor,
        tracking: Tracking,
    ) -> None:
        self._redactor = redactor
        self._order, self._control, self._running = order, control, running
        self._capture, self._tracking = capture, tracking
        kind = _calls_of(program)
        version = (order.function, order.version)
        self._calls: Calls = kind(program, version, order.concurrency, self._done)
        self._at_once = program.calls_at_once(order.concurrency)
        self._intake = Intake(self._calls.nudge)
        self._draining = threading.Event()
        self._is_fork = False
        os.register_at_fork(after_in_child=self._forked)
        self._gateways: dict[str, GatewayConnection] = {}

    def dial_gateways(self) -> None:
        """Be routable at every gateway that is up, so that what follows READY finds this executor."""
        self._set_gateways(self._order.gateways)
        deadline = time.monotonic() + FIRST_DIAL_S
        for gateway in self._gateways.values():
            gateway.tried.wait(max(0.0, deadline - time.monotonic()))

    def serve(self) -> None:
        threading.Thread(target=self._obey, name="control", daemon=True).start()
        read = self._intake.stand_by if self._calls.reads else self._intake.read_always
        threading.Thread(target=read, name="gateways", daemon=True).start()
        self._calls.serve(self._intake)

    # Calls

    def accept(self, channel: Channel, message: Message) -> None:
        """A message of a gateway about a call; on the thread that reads."""
        key = (id(channel), message.call)
        if message.kind == Kind.CALL:
            self._begin(RunningCall, channel, message)
        elif message.kind == Kind.UPLOAD:
            self._begin(RunningUpload, channel, message)
        elif message.kind == Kind.CHECK:
            self._begin(Check, channel, message)
        elif message.kind == Kind.OPEN:
            self._begin(RunningExchange, channel, message)
        elif running := self._running.get(key):
            if message.kind == Kind.CREDIT:
                running.grant(_decode_credit(message.header).items)
            elif message.kind == Kind.INPUT and isinstance(running, RunningExchange):
                running.hear(decode_event(message.header, message.body))
            elif message.kind == Kind.INPUT and isinstance(running, RunningUpload):
                running.hear(message.body, _decode_upload(message.header).last)
            elif message.kind == Kind.ACCESS:
                running.hear_access(message.body)
            elif message.kind == Kind.DEBUG:
                if running.debugger is not None:
                    running.debugger.hear(message.body.decode("utf-8", "replace"))
            elif message.kind == Kind.CANCEL:
                self._cancel(key, running, _decode_cancel(message.header).reason)

    def _begin(self, kind: type[RunningCall], channel: Channel, message: Message) -> None:
        header = _decode_call(message.header)
        call = kind(channel, message.call, header, message.body, self._load, self._intake.want)
        if self._redactor.is_needed:
            call.redactor = self._redactor
        if header.tracks:
            self._tracking.track(call)
        self._running[id(channel), message.call] = call
        self._calls.submit(call)

    def gateway_gone(self, channel: Channel) -> None:
        for key, call in list(self._running.items()):
            if key[0] == id(channel):
                self._cancel(key, call, "cancelled")

    def _load(self) -> int:
        return len(self._running)

    def _forked(self) -> None:
        """In a process that user code forked: what it prints is still its call's, and no more than that."""
        self._is_fork = True
        for gateway in list(self._gateways.values()):
            gateway.forked()

    def _done(self, call: RunningCall, error: BaseException | None = None) -> None:
        if call.debugger is not None:
            call.debugger.end()
        self._capture.finish(call)
        if call.batch is not None:
            self._capture.finish(call.batch)
        if self._is_fork:
            forks.leave(error)
        self._tracking.ended(call)
        self._running.pop((id(call.channel), call.number), None)

    def _cancel(self, key: tuple[int, int], call: RunningCall, reason: str) -> None:
        call.cancel(reason)
        self._look_later(key, call)

    def _look_later(self, key: tuple[int, int], call: RunningCall) -> None:
        timer = threading.Timer(GRACE_S, self._kill_if_running, (key, call))
        timer.daemon = True
        timer.start()

    def _kill_if_running(self, key: tuple[int, int], call: RunningCall) -> None:
        # A call that is still waiting for its turn ends by itself when that comes.
        if self._running.get(key) is not call or not call.is_unwanted or not call.holds_its_process:
            return
        if any(not other.is_unwanted for other in list(self._running.values())) and self._calls.goes_on(GRACE_S):
            self._drain()  # others may end here, and no more come
            self._look_later(key, call)
            return
        complain("a call that nobody waits for does not stop; the process ends with it")
        os.kill(os.getpid(), signal.SIGKILL)

    # The supervisor's orders

    def _obey(self) -> None:
        for batch in self._control.messages():
            for message in batch:
                if message.kind == Kind.DRAIN:
                    self._drain()
                elif message.kind == Kind.CALL:
                    self._set_gateways(header_of(message)["gateways"])
        os.kill(os.getpid(), signal.SIGKILL)  # the supervisor is gone: an executor without one is an orphan

    def _set_gateways(self, addresses: list[str]) -> None:
        for address in addresses:
            if address not in self._gateways:
                self._gateways[address] = GatewayConnection(address, self._order, self._at_once, self._intake, self)
        for address in set(self._gateways) - set(addresses):
            self._gateways.pop(address).leave()

    def _drain(self) -> None:
        """Take no more calls, finish those that were sent, end."""
        if self._draining.is_set():
            return
        self._draining.set()
        threading.Thread(target=self._leave_gateways, daemon=True).start()

    def _leave_gateways(self) -> None:
        for gateway in list(self._gateways.values()):
            gateway.leave()
        for gateway in list(self._gateways.values()):
            gateway.left.wait()
        self._calls.stop()
