"""Handing over between the threads of the video loop: a bounded queue, and a thread whose exception is kept."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Stopped(Exception):
    """The other end of a queue has gone."""


class Queue:
    """Bounded hand-over between two threads. An item has a weight; put waits while the weights sum to the room."""

    def __init__(self, room: float):
        self._room, self._load, self._stopped = room, 0.0, False
        self._items: deque = deque()
        self._changed = threading.Condition()

    def put(self, item, weight: float = 1.0) -> None:
        """Waits for room and appends an item. Raises Stopped."""
        with self._changed:
            while self._load >= self._room and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise Stopped
            self._items.append((item, weight))
            self._load += weight
            self._changed.notify_all()

    def get(self):
        """Waits for an item and takes the first. Raises Stopped."""
        with self._changed:
            while not self._items and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise Stopped
            item, weight = self._items.popleft()
            self._load -= weight
            self._changed.notify_all()
            return item

    def stop(self) -> None:
        """Wakes all who wait; they raise Stopped, and so does every later call."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


class Worker(threading.Thread):
    """A thread whose exception is kept for the caller."""

    def __init__(self, name: str, work: Callable[[], None], *queues: Queue):
        super().__init__(name=name, daemon=True)
        self._work, self._queues = work, queues
        self.error: BaseException | None = None

    def start(self) -> None:
        """Starts the thread. Raises MemoryError: the system gives no more threads."""
        try:
            super().start()
        except RuntimeError as error:  # the system has no room for its stack
            raise MemoryError("no room for another thread") from error

    def run(self) -> None:
        """The thread itself: does the work and keeps its error for the caller's thread."""
        try:
            self._work()
        except Stopped:
            pass
        except BaseException as error:  # raised again in the caller's thread
            self.error = error
            for queue in self._queues:
                queue.stop()
