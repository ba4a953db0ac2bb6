"""Calls of the past, as files of several makers tell of them.

    time, function, duration                            ours, and whoever writes CSV
    app, func, end_timestamp, duration                  Azure Functions 2021
    HashApp, HashFunction, 1 … 1440                     Azure Functions 2019: how many in each minute of a day
    gmt_create, checkpoint_model_version_id, exec_time_seconds      Alibaba GenAI 2026

https://github.com/Azure/AzurePublicDataset and https://github.com/alibaba/clusterdata
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from rayfaas.errors import BadRequest

# Function → (begin, length) of its calls, in seconds, sorted.
Trace = Mapping[str, Sequence[tuple[float, float]]]
# Is told how many bytes of the file are read.
Progress = Callable[[int], object]

# Column → what it is, in the words of several makers; of several of them in one file the first counts.
_TIME = ("time", "timestamp", "invoked_at", "accepted_at", "gmt_create", "TIMESTAMP")
_END = ("end_timestamp",)
_FUNCTION = ("function", "func", "HashFunction", "model", "checkpoint_model_version_id")
_APP = ("app", "HashApp")
_LENGTH = ("duration", "exec_time_seconds")
_MINUTES = tuple(str(minute) for minute in range(1, 1441))
_TOLD_EVERY = 10_000

Row = Sequence[str]
# Seconds from here on are milliseconds: the year 5138.
_LATEST_S = 1e11


def read_trace(file: Path, progress: Progress | None = None) -> Trace:
    """A CSV file with a line for each call: its time (ISO 8601, or seconds), its function, and its duration (seconds)
    if there is one. Raises `BadRequest` that names the line.

    >>> read_trace(Path("examples/trace.csv"))["translate"][0]  # doctest: +SKIP
    (31.5, 2.4)
    """
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.reader(_counted(lines, progress))
            columns = _Columns(next(rows, []))
            for row in rows:
                if row:
                    function = columns.function_in(row, rows.line_num)
                    found[function] += columns.calls_in(row, rows.line_num)
    except UnicodeDecodeError:
        raise BadRequest(f"{file} is no text; unpack it first, if it is packed.") from None
    except (OSError, csv.Error) as error:
        raise BadRequest(f"{file} can't be read: {error}") from None
    if not any(found.values()):
        raise BadRequest(f"{file} has no calls: it needs the columns time and function, and a line for each call.")
    return {function: sorted(calls) for function, calls in found.items() if calls}


class _Columns:
    """Which of a file's columns are what. Raises `BadRequest` where there is no time or function."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._time, self._end = _first(_TIME, names), _first(_END, names)
        self._function, self._app, self._length = _first(_FUNCTION, names), _first(_APP, names), _first(_LENGTH, names)
        self._minutes = [names.index(each) for each in _MINUTES] if set(_MINUTES) <= set(names) else []
        if self._function is None or (self._time is None and self._end is None and not self._minutes):
            lacks = "function" if self._function is None else "time"
            raise BadRequest(
                f"The trace has no column {lacks}. Its columns are {', '.join(names[:10]) or 'none'}; " + _HINT
            )

    def function_in(self, row: Row, number: int) -> str:
        function = self._of(row, self._function, number)
        # The same name may be that of functions of several applications.
        return function if self._app is None else f"{self._of(row, self._app, number)}/{function}"

    def calls_in(self, row: Row, number: int) -> list[tuple[float, float]]:
        try:
            if self._minutes:
                counts = [(60.0 * minute, row[column]) for minute, column in enumerate(self._minutes)]
                return [(at, 0.0) for at, count in counts for _ in range(int(count or 0))]
            length_s = (
                _length(row[self._length] or "0") if self._length is not None and self._length < len(row) else 0.0
            )
            if self._time is not None:
                return [(_seconds(self._of(row, self._time, number)), length_s)]
            return [(_seconds(self._of(row, self._end, number)) - length_s, length_s)]
        except (ValueError, IndexError) as error:
            raise BadRequest(f"Line {number}: {error}. Write time as 2026-11-27T09:00:00 or in seconds.") from None

    def _of(self, row: Row, column: int | None, number: int) -> str:
        if column is None or column >= len(row) or not row[column]:
            raise BadRequest(f"Line {number} has no {self._names[column or 0]}; {_HINT}")
        return row[column]


_HINT = "write time, function and, if known, duration, with commas between them."


def _first(known: Sequence[str], names: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _seconds(text: str) -> float:
    """Of Unix time, or of any other; milliseconds and less are told by their size. A time without a zone is UTC."""
    try:
        number = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no time")
    while number > _LATEST_S:
        number /= 1000
    return number


def _length(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError(f"{text!r} is no duration")
    return number


def _counted(lines: Iterator[str], progress: Progress | None) -> Iterator[str]:
    size = 0
    for number, line in enumerate(lines):
        size += len(line)
        if progress is not None and number % _TOLD_EVERY == 0:
            progress(size)
        yield line
