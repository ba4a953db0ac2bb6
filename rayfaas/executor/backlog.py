"""What is still to be done by a thread that others hand things to: those who hand over too much wait for it."""

from __future__ import annotations

import queue
import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Backlog(Generic[T]):
    """`most` is the sum of sizes that may wait; where there is more, a `put` waits up to `patience_s`.

    >>> backlog = Backlog[str](most=10, patience_s=1.0)
    >>> backlog.put("a", 3)
    >>> backlog.put("b", 4)
    >>> backlog.take()
    ['a', 'b']
    """

    def __init__(self, most: int, patience_s: float) -> None:
        self._most, self._patience_s = most, patience_s
        self._items: queue.SimpleQueue[tuple[T, int]] = queue.SimpleQueue()
        self._size = 0
        self._changed = threading.Condition()

    def put(self, item: T, size: int = 0) -> None:
        with self._changed:
            if self._size > self._most:
                self._changed.wait_for(self._has_room, self._patience_s)
            self._size += size
        self._items.put((item, size))

    def take(self) -> list[T]:
        """All that there is. Waits for the first."""
        taken = [self._items.get()]
        while not self._items.empty():
            taken.append(self._items.get())
        with self._changed:
            self._size -= sum(size for _, size in taken)
            self._changed.notify_all()
        return [item for item, _ in taken]

    def _has_room(self) -> bool:
        return self._size <= self._most
