"""Runs side by side: their events as they come, the memory that they share, and how all of them end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ddm_gui.engine.events import Event, Note
from ddm_gui.engine.restore.in_flight import Room, Run, memory_for_many, side_by_side


def run_of(*texts: str, ended: Callable[[], object] = lambda: None) -> Run:
    try:
        for text in texts:
            yield Note(text)
    finally:
        ended()


def texts_of(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Note)]


def test_all_events_come_those_of_each_run_in_order() -> None:
    texts = texts_of(list(side_by_side([run_of(f"{run}1", f"{run}2", f"{run}3") for run in "abcdef"], 3)))
    assert sorted(texts) == sorted(f"{run}{step}" for run in "abcdef" for step in "123")
    for run in "abcdef":
        assert [text for text in texts if text.startswith(run)] == [f"{run}1", f"{run}2", f"{run}3"]
    assert texts_of(list(side_by_side([run_of("a1"), run_of("b1"), run_of("c1")], 1))) == ["a1", "b1", "c1"]
    assert list(side_by_side([], 2)) == []


def test_closed_it_ends_what_has_begun_and_begins_nothing_more() -> None:
    begun: list[str] = []
    ended: list[str] = []

    def endless(name: str) -> Run:
        begun.append(name)
        try:
            while True:
                yield Note(name)
        finally:
            ended.append(name)

    before = threading.active_count()
    events = side_by_side([endless(name) for name in "abcd"], 2)
    while {"a", "b"} - set(begun):
        next(events)
    events.close()
    assert sorted(begun) == sorted(ended) == ["a", "b"]
    assert threading.active_count() == before


def test_a_fault_of_one_run_is_raised_and_ends_the_others() -> None:
    ended: list[str] = []

    def faulty() -> Run:
        yield Note("x")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(side_by_side([run_of(*"abc" * 1000, ended=lambda: ended.append("a")), faulty()], 2))
    assert ended == ["a"]


def test_runs_wait_for_memory_and_one_that_needs_all_of_it_is_alone() -> None:
    room = Room(10.0)
    lock = threading.Lock()
    taken: list[float] = []
    most: list[float] = []

    def work(needed: float) -> Run:
        with room.taken(needed):
            with lock:
                taken.append(needed)
                most.append(sum(taken))
                crowd = len(taken)
            yield Note(f"{needed:g} of {crowd}")
            with lock:
                taken.remove(needed)

    events = list(side_by_side([work(needed) for needed in (4.0, 4.0, 4.0, 12.0, 6.0, 4.0, 10.0) * 5], 3))
    assert len(events) == 35
    assert max(sum_ for sum_ in most if sum_ != 12.0) <= 10.0
    assert "12 of 1" in texts_of(events)
    assert not {"12 of 2", "12 of 3", "10 of 2", "10 of 3"} & set(texts_of(events))


def test_the_machine_s_memory_is_known_or_has_no_say() -> None:
    assert memory_for_many() > 1e8
