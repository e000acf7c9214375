"""PySide6 6.12.0 on Python 3.10 and 3.11 drops a reference of None at each signal, which ends long runs by a crash."""

from __future__ import annotations

import sys

from PySide6.QtCore import QObject, Signal, Slot

EMISSIONS = 1000


class Source(QObject):
    """Emits."""

    told = Signal(object)


class Listener(QObject):
    """Listens, and returns None as slots do."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0

    @Slot(object)
    def hear(self, value: object) -> None:
        """Counts."""
        self.heard += 1


def test_signals_keep_the_references_of_none_and_true(qapp: object) -> None:
    source, listener = Source(), Listener()
    source.told.connect(listener.hear)
    none_before, true_before = sys.getrefcount(None), sys.getrefcount(True)
    for _ in range(EMISSIONS):
        source.told.emit(None)
        source.told.emit(True)
        source.setObjectName("a")
    assert listener.heard == 2 * EMISSIONS
    assert sys.getrefcount(None) - none_before > -EMISSIONS // 10
    assert sys.getrefcount(True) - true_before > -EMISSIONS // 10
