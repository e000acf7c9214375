"""Several photos in work at the same time, each whole in a thread of its own, within the memory that they share."""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Condition
from threading import Event as Flag

from ddm_gui.engine.events import Event

Run = Generator[Event, None, None]

SHARE = 0.75  # of the machine's memory, for all that is in work together: other programs are there, too


class Room:
    """Bytes that runs share: each waits until there are enough for it, so that the sum never exceeds `size`; one that
    needs as much or more is alone."""

    def __init__(self, size: float) -> None:
        self._size = self._free = size
        self._changed = Condition()

    @contextmanager
    def taken(self, needed: float) -> Iterator[None]:
        """Waits for so many bytes, which others do not get meanwhile."""
        taken = min(needed, self._size)
        with self._changed:
            self._changed.wait_for(lambda: taken <= self._free)
            self._free -= taken
        try:
            yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()


def memory_for_many() -> float:
    """Bytes of this machine that several photos may need together; infinite where the system does not say (Windows).

    It has a say only in how many are in work at a time, never in what becomes of one.
    """
    if not hasattr(os, "sysconf"):
        return math.inf
    return SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def side_by_side(runs: Sequence[Run], at_once: int) -> Run:
    """The events of several runs, as they come; so many are pulled at the same time, in the order given.

    Closed, it closes those that have begun, each at its next event, and waits for them; the others never begin. What
    one raises is raised here, and ends all in the same way.
    """
    news: SimpleQueue[Event | Future[None]] = SimpleQueue()
    closed = Flag()

    def pull(run: Run) -> None:
        try:
            for event in run:
                news.put(event)
                if closed.is_set():
                    return
        finally:
            run.close()

    pool = ThreadPoolExecutor(at_once, thread_name_prefix="photo")
    try:
        for run in runs:
            pool.submit(pull, run).add_done_callback(news.put)
        left = len(runs)
        while left:
            arrived = news.get()
            if isinstance(arrived, Future):
                arrived.result()
                left -= 1
            else:
                yield arrived
    finally:
        closed.set()
        pool.shutdown(cancel_futures=True)
