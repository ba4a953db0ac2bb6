"""stdout, stderr and logging of user code, told apart by call.

Text that is written while a call runs goes to its caller and its log, a line at a time; text written outside any call
goes where the process's own output goes, which the supervisor reads.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable
from typing import TextIO

from rayfaas.executor.running import Speaker, current
from rayfaas.redaction import Redactor

# A line that has not ended is held so long, in characters; then what there is of it is sent.
_LONGEST_LINE = 16 << 10
# The call that a thread without context (one that user code started) belongs to, where only one call is running.
OnlyCall = Callable[[], Speaker | None]


class CallOutput(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr."""

    def __init__(self, stream: str, original: TextIO, only_call: OnlyCall, redactor: Redactor) -> None:
        self._stream, self._original, self._only_call = stream, original, only_call
        self._redactor = redactor
        # By call and thread, so that threads do not write into each other's lines.
        self._lines: dict[tuple[int, int], tuple[Speaker, str]] = {}

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def buffer(self) -> object:
        return self._original.buffer

    def fileno(self) -> int:
        return self._original.fileno()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def reconfigure(self, **options: object) -> None:
        """Encoding and buffering are the capture's own: code that asks for others goes on."""

    def write(self, text: str) -> int:
        call = current.get() or self._only_call()
        if call is None:
            self._original.write(text)
            self._original.flush()
            return len(text)
        key = id(call), threading.get_ident()
        _, line = self._lines.pop(key, (call, ""))
        shown, held = self._redactor.split(line + text)
        whole, newline, rest = shown.rpartition("\n")
        if newline:
            call.log(self._stream, whole + newline)
        if len(rest) > _LONGEST_LINE:
            call.log(self._stream, rest)
            rest = ""
        if rest or held:
            self._lines[key] = (call, rest + held)
        return len(text)

    def flush(self) -> None:
        """Send what stands in an unfinished line, so that progress bars and prompts are seen; not half a secret."""
        call = current.get() or self._only_call()
        if call is None:
            return
        key = id(call), threading.get_ident()
        _, line = self._lines.pop(key, (call, ""))
        shown, held = self._redactor.split(line)
        if shown:
            call.log(self._stream, shown)
        if held:
            self._lines[key] = (call, held)

    def finish(self, call: Speaker) -> None:
        if self._lines:
            for key in [key for key in list(self._lines) if key[0] == id(call)]:
                self._send(key)

    def _send(self, key: tuple[int, int]) -> None:
        if (unfinished := self._lines.pop(key, None)) is not None:
            call, line = unfinished
            call.log(self._stream, line)


class CallHandler(logging.Handler):
    """Sends log records to the call that made them, with their level."""

    def __init__(self, only_call: OnlyCall, fallback: TextIO) -> None:
        super().__init__()
        self._only_call, self._fallback = only_call, fallback
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        call = current.get() or self._only_call()
        try:
            text = self.format(record) + "\n"
        except Exception:  # noqa: BLE001 as every handler of logging: arguments that do not fit end nobody's call
            return self.handleError(record)
        if call is not None:
            call.log("log", text, record.levelname)
        else:
            self._fallback.write(f"{record.levelname} {text}")
            self._fallback.flush()


class Capture:
    """Puts the stand-ins in place for this process."""

    def __init__(self, only_call: OnlyCall, redactor: Redactor) -> None:
        self._stdout = CallOutput("stdout", sys.stdout, only_call, redactor)
        self._stderr = CallOutput("stderr", sys.stderr, only_call, redactor)
        root = logging.getLogger()
        root.addHandler(CallHandler(only_call, sys.stderr))
        root.setLevel(logging.INFO)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # else each call in a call has a line of it
        sys.stdout, sys.stderr = self._stdout, self._stderr

    def finish(self, call: Speaker) -> None:
        """The call ends: send the lines that it did not finish."""
        self._stdout.finish(call)
        self._stderr.finish(call)
