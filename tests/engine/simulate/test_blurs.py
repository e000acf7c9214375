"""Kinds of blur: always valid, explained, and without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.simulate.blurs import BLURS, Blur, ComaBlur, DiscBlur, GaussianBlur, ShakeBlur, check_noise


@pytest.mark.parametrize("kind", BLURS.values())
def test_defaults_are_valid_and_each_number_is_explained_and_bounded(kind: type[Blur]) -> None:
    kind()
    for item in fields(kind):
        assert item.metadata["help"]
        for bound in ("low", "high"):
            kept = {"sigma_across": 1.0} if item.name == "angle" and kind is GaussianBlur else {}
            assert getattr(kind(**kept | {item.name: item.metadata[bound]}), item.name) == item.metadata[bound]
        with pytest.raises(UserError, match=item.name):
            kind(**{item.name: item.metadata["high"] + 1.0})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: GaussianBlur(sigma=0.0),
        lambda: GaussianBlur(sigma=float("nan")),
        lambda: GaussianBlur(sigma="wide"),  # type: ignore[arg-type]
        lambda: GaussianBlur(angle=30.0),
        lambda: DiscBlur(radius=-1.0),
        lambda: ComaBlur(diffraction=0.0),
        lambda: ShakeBlur(intensity=1.01),
        lambda: check_noise(-0.1),
        lambda: check_noise(float("nan")),
    ],
)
def test_what_cannot_be_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(UserError):
        wrong()


def test_it_needs_no_torch() -> None:
    code = "import sys, ddm_gui.engine.simulate.blurs; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
