"""What is believed of a kernel's asymmetry: that of a lens or a shake, not what chance makes of a symmetric blur."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.colour import apart
from ddm_gui.engine.matching.phase import confined, placed_spectrum
from ddm_gui.engine.matching.symmetry import CHANCE, asymmetry, believed
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.engine.simulate.optics import Lens, disc, gaussian

SIZE = 25


def turned(kernel: Tensor, size: float, seed: int = 0) -> Tensor:
    """A kernel with phases of about `size` rad, random and smooth over frequency, added to its own."""
    axis = torch.arange(SIZE) - SIZE // 2
    window = torch.exp(-0.5 * (torch.hypot(axis[:, None].float(), axis.float()) / 3).square())
    drawn = window * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    odd = drawn - drawn.flip(0, 1)
    phases = placed_spectrum(odd * (size / odd.norm()), WINDOW).imag
    return confined(placed_spectrum(kernel, WINDOW) * torch.exp(1j * phases), SIZE, pedestal=0.0)


def moved(kernel: Tensor, down: float, right: float) -> Tensor:
    frequency = torch.fft.fftfreq(WINDOW)
    ramp = -2 * torch.pi * (frequency[:, None] * down + frequency * right)
    return confined(placed_spectrum(kernel, WINDOW) * torch.exp(1j * ramp), SIZE, pedestal=0.0)


def ncc(kernel: Tensor, truth: Tensor) -> float:
    return kernel_ncc(kernel.view(1, 1, 1, SIZE, SIZE).numpy(), truth.view(1, 1, 1, SIZE, SIZE).numpy())


SYMMETRIC = {
    "Gaussian": torch.from_numpy(gaussian(SIZE, 3.0, 1.5, 1.0)),
    "disc": torch.from_numpy(disc(SIZE, 4.0)),  # its transfer function has negative rings
}


def coma() -> Tensor:
    return torch.from_numpy(Lens(coma=0.3, angle=0.8, diffraction=1.0, softness=0.7).kernels(SIZE)[1])


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.3, -1.6), (-2.5, 0.5)])
@pytest.mark.parametrize("name", SYMMETRIC)
def test_asymmetry_is_none_of_what_is_symmetric_wherever_it_lies(name: str, place: tuple[float, float]) -> None:
    """But for what is cut off below zero where it is moved by parts of a pixel."""
    assert asymmetry(moved(SYMMETRIC[name], *place)) < 0.04


@pytest.mark.parametrize("place", [(0, 0), (-2, 3)])
def test_asymmetry_is_the_share_of_the_odd_part(place: tuple[int, int]) -> None:
    """A point of light and, four pixels beside it, one a tenth as bright: about the bright one, half of the faint one's
    light lies on either side, in the odd part with two signs."""
    pair = torch.zeros(SIZE, SIZE)
    pair[12, 10], pair[12, 14] = 1.0, 0.1
    expected = math.sqrt(2 * 0.05**2 / (1.0 + 0.1**2))
    assert asymmetry((pair / pair.sum()).roll(place, (0, 1))) == pytest.approx(
        expected, abs=3e-3
    )  # the best place is a little off


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SYMMETRIC)
def test_small_phases_are_taken_off_a_symmetric_kernel(name: str, seed: int) -> None:
    truth = SYMMETRIC[name]
    found = turned(truth, 0.1, seed)
    assert 0.0 < asymmetry(found) < CHANCE
    kept = believed(found[None])
    assert asymmetry(kept[0]) < 0.3 * asymmetry(found)
    assert 1 - ncc(kept[0], truth) < 0.3 * (1 - ncc(found, truth))
    assert float(kept.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(kept.min()) >= 0.0


def test_what_is_lopsided_stays_as_it_is() -> None:
    kernels = torch.stack([coma(), coma().roll(1, 0)])
    assert asymmetry(kernels[0]) > 1.5 * CHANCE
    assert torch.equal(believed(kernels), kernels)


def test_beyond_chance_asymmetry_is_let_in_by_and_by() -> None:
    """None up to CHANCE, all of it where its power is twice that; never more than was there."""
    seen = []
    for size in (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5):
        found = turned(SYMMETRIC["Gaussian"], size)
        seen.append((asymmetry(found) / CHANCE, asymmetry(believed(found[None])[0]) / asymmetry(found)))
    assert min(seen)[0] < 1.0
    assert max(seen)[0] > math.sqrt(2)
    for found, kept in seen:
        if found < 1.0:
            assert kept < 0.3
        if found > math.sqrt(2):
            assert kept == 1.0
    partly = [kept for found, kept in seen if 1.05 < found < 1.35]
    assert partly
    assert all(0.1 < kept < 0.95 for kept in partly)


def test_what_sets_the_colours_apart_stays() -> None:
    differences = torch.tensor([[0.3, 0.1, 0.0, 0.0, 0.0], [0.0] * 5, [-0.3, -0.1, 0.0, 0.0, 0.0]])
    colours = apart(turned(SYMMETRIC["Gaussian"], 0.2), differences)
    kept = believed(colours)
    axis = torch.arange(SIZE) - SIZE // 2

    def apart_by(kernels: Tensor) -> Tensor:
        rows = (kernels.sum(dim=2) * axis).sum(dim=1)
        return rows - rows[1]

    assert not torch.equal(kept, colours)
    torch.testing.assert_close(apart_by(kept), apart_by(colours), rtol=0.0, atol=0.02)
