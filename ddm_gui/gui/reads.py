"""One-shot work (thumbnails, previews) in a thread of its own; its answers arrive in the window's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

from qasync import QEventLoop

Answer = TypeVar("Answer")
Step = TypeVar("Step")


class Followed:
    """Work that goes on step by step, until it ends or somebody stops it."""

    def __init__(self) -> None:
        self._stopped = Event()

    @property
    def stopped(self) -> bool:
        """Whether it is to end, or has."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """It ends before its next step."""
        self._stopped.set()


class Reads:
    """A queue of function calls, done one after another beside the window.

    Answers come through the event loop that qasync lays over Qt's. Under the program's own loop that one is used; a
    window that is shown by a plain Qt loop (a test does that) gets a loop of its own over the same Qt loop.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: set[asyncio.Future[Any]] = set()
        self._followed: Followed | None = None
        self._own_loop: QEventLoop | None = None
        self._closed = False

    def ask(self, answered: Callable[[Answer], None], function: Callable[..., Answer], *arguments: object) -> None:
        """Calls `function(*arguments)` in the thread, then `answered(result)` in the window's thread.

        After `close` it does nothing: a view's timer may still ask while the window goes.
        """
        if self._closed:
            return
        future = asyncio.wrap_future(self._pool.submit(function, *arguments), loop=self._loop())
        self._waiting.add(future)

        def arrived(done: asyncio.Future[Answer]) -> None:
            self._waiting.discard(done)
            if not done.cancelled():
                answered(done.result())

        future.add_done_callback(arrived)

    def follow(
        self,
        stepped: Callable[[Step], None],
        answered: Callable[[Answer | None], None],
        function: Callable[..., Generator[Step, None, Answer]],
        *arguments: object,
    ) -> Followed:
        """Like `ask`, of work that is a generator: `stepped` is called with what it yields, `answered` with what it
        returns, or with None where it was stopped."""
        followed = self._followed = Followed()
        loop = self._loop()

        def told(step: Step) -> None:
            if not followed.stopped:
                stepped(step)

        def pull() -> Answer | None:
            work = function(*arguments)
            try:
                while not followed.stopped:
                    loop.call_soon_threadsafe(told, next(work))
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            finally:
                work.close()
            return None

        self.ask(answered, pull)
        return followed

    def close(self) -> None:
        """Forgets what is waiting, stops what is followed, and waits for what is being read."""
        self._closed = True
        if self._followed is not None:
            self._followed.stop()
        for future in list(self._waiting):
            future.cancel()
        self._waiting.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._own_loop is not None:
            self._own_loop.close()
            self._own_loop = None

    def _loop(self) -> asyncio.AbstractEventLoop:
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            self._own_loop = self._own_loop or QEventLoop()
            loop: asyncio.AbstractEventLoop = self._own_loop
            return loop
