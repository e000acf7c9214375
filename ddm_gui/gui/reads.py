"""One-shot reads (thumbnails, previews) in a thread of their own; their answers arrive in the window's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from qasync import QEventLoop

Answer = TypeVar("Answer")


class Reads:
    """A queue of function calls, done one after another beside the window.

    Answers come through the event loop that qasync lays over Qt's. Under the program's own loop that one is used; a
    window that is shown by a plain Qt loop (a test does that) gets a loop of its own over the same Qt loop.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: set[asyncio.Future[Any]] = set()
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

    def close(self) -> None:
        """Forgets what is waiting, and waits for what is being read."""
        self._closed = True
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
