"""How many updates the search by rounds makes, of which kind, and how much work they are."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.engine.matching import plan
from ddm_gui.engine.matching.plan import Plan
from ddm_gui.engine.settings import Settings


@pytest.mark.parametrize(
    ("changes", "count", "turns"),
    [
        ({}, 4 + 6, 150),
        ({"images_phase": 0}, 0, 0),
        ({"images_phase": 1}, 4 + 1, 1),
        ({"images_phase": 32 * 100}, 4 + 1, 100),  # fewer updates than a stretch
        ({"images_phase": 32 * 400}, 4 + 3, 150),
        ({"images_phase": 32 * 160}, 4 + 1, 150),
        ({"candidates": 0}, 6, 150),
        ({"candidates": 5}, 10 + 6, 150),
        ({"kernel_size": 40}, 4 + 6, 150),
        ({"kernel_size": 41}, 6, 150),  # too large for phase retrieval
    ],
)
def test_how_many_stretches_there_are_and_how_long(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], count: int, turns: int
) -> None:
    """Each start has one, and the own start's is the first of those that the patches are enough for.

    Before them the own start is measured as it is, where there are stretches at all.
    """
    lengths = {"STRETCH": 150, "TRIAL": 48, "ROUND": 100, "LARGEST_RETRIEVED": 40}
    for name, value in {**lengths, "ROUND_WORK": 3.0, "TRIAL_WORK": 1.5, "REFINING_WORK": 10.0}.items():
        monkeypatch.setattr(plan, name, value)
    effort = {"candidates": 2, "images_phase": 28_800, "images_kernel": 19_200, "batch_size": 32}
    settings = Settings().with_changes(effort | changes)
    planned = Plan.of(settings)
    assert (planned.stretches, planned.turns) == (count, turns)
    measured = 48 if count else 0
    updates = measured + count * (turns + 48)
    assert (planned.first_round, planned.updates) == (updates, updates + 600)
    # A turn of the phases is a third of the work of an update of a round, one of a trial half as much again.
    # What each stretch ends with is refined, and what each retrieved start begins with.
    retrieved = min(count, planned.starts) - 1 if count else 0
    before_rounds = 1.5 * measured + count * (turns / 3 + 1.5 * 48) + 10.0 * (count + retrieved)
    assert planned.work(0) == 0.0
    assert planned.work(updates) == pytest.approx(before_rounds)
    assert planned.work(updates + 600) == pytest.approx(before_rounds + 600)
    amounts = np.diff([planned.work(update) for update in range(updates + 300)])
    since = np.arange(len(amounts)) - measured
    turning = (since >= 0) & (since < updates - measured) & (since % (turns + 48) < turns)
    in_rounds = since >= updates - measured
    refined = (since >= 0) & ~in_rounds & (since % (turns + 48) == turns)
    begun = (since > 0) & (since <= retrieved * (turns + 48)) & (since % (turns + 48) == 0)
    expected = np.where(turning, 1 / 3, np.where(in_rounds, 1.0, 1.5)) + 10.0 * refined + 10.0 * begun
    np.testing.assert_allclose(amounts, expected)


def test_each_update_before_the_rounds_has_a_place_in_a_stretch() -> None:
    """The own start has none but those of its trial; in the stretches turns come first."""
    planned = Plan(starts=1, stretches=2, turns=3, trial_length=2, rounds=1, round_length=4)
    places = [planned.place(update) for update in range(planned.first_round)]
    own, stretches = [(0, 3), (0, 4)], [(stretch, update) for stretch in (1, 2) for update in range(5)]
    assert places == own + stretches
