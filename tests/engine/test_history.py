"""The kernels' history: never more than it may hold, the newest always there, and readable again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ddm_gui.engine import history
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import KernelSnapshot
from ddm_gui.engine.history import MOST, History


def snapshot(images_seen: int) -> KernelSnapshot:
    """A kernel that says when it was taken."""
    return KernelSnapshot(images_seen, np.full((1, 1, 3, 3, 3), images_seen, np.float32), images_seen / 1e6)


def filled(count: int) -> History:
    made = history.empty()
    for number in range(1, count + 1):
        made = made.with_snapshot(snapshot(64 * number))
    return made


def test_an_empty_history_takes_kernels_of_any_size() -> None:
    assert len(history.empty()) == 0
    made = filled(2)
    assert made.kernels.shape == (2, 1, 1, 3, 3, 3)
    assert made.images_seen.tolist() == [64, 128]
    assert made.noise_sigma.tolist() == pytest.approx([64e-6, 128e-6])


@pytest.mark.parametrize("most", [MOST, 20, 21])
def test_it_is_thinned_and_the_newest_is_always_there(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", most)
    made = history.empty()
    for number in range(1, 3 * most):
        made = made.with_snapshot(snapshot(number))
        assert len(made) <= most
        assert made.images_seen[-1] == number
    assert (np.diff(made.images_seen) > 0).all()
    assert (made.kernels[:, 0, 0, 0, 0, 0] == made.images_seen).all()
    assert made.images_seen[0] < most
    assert len(made) >= most // 2
    assert MOST <= 500
    assert made.images_seen.dtype == np.int64
    assert made.kernels.dtype == made.noise_sigma.dtype == np.float32


@pytest.mark.parametrize(("until", "left"), [(0, 0), (64, 1), (127, 1), (320, 5), (10**6, 5)])
def test_until_drops_what_lies_later(until: int, left: int) -> None:
    kept = filled(5).until(until)
    assert len(kept) == left == len(kept.kernels) == len(kept.noise_sigma)
    assert (kept.images_seen <= until).all()
    assert len(kept.with_snapshot(snapshot(999))) == left + 1


def test_read_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "history.safetensors"
    assert len(history.read(path)) == 0
    made = filled(5)
    made.write(path)
    read = history.read(path)
    for name in ("images_seen", "kernels", "noise_sigma"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
    history.empty().write(path)
    assert len(history.read(path).with_snapshot(snapshot(64))) == 1


def test_a_damaged_history_is_told(tmp_path: Path) -> None:
    path = tmp_path / "history.safetensors"
    filled(3).write(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be read"):
        history.read(path)
