"""What changes over the field: weights and polynomials, and what the spectra around the nodes say of the kernels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ddm_gui.engine.blur.field import Field, orders
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.flow.spectrum import WINDOW, field_periodograms
from ddm_gui.engine.matching import field_magnitude
from ddm_gui.engine.matching.colour import WIDTH_UNIT, apart
from ddm_gui.engine.matching.field_colour import field_colours
from ddm_gui.engine.matching.field_magnitude import FieldMagnitude, FieldSpectra
from ddm_gui.engine.photos.patches import PatchBatch

NOISE = 1e-4  # power of the noise of one colour
FREQUENCY = torch.fft.fftfreq(WINDOW)
RADIUS = torch.hypot(FREQUENCY[:, None], FREQUENCY)
PHOTOS = 0.04 / (RADIUS.square() + 0.03**2)  # power of clean photos, falling as 1/f^2


def scattered(power: Tensor, seed: int, patches: int = 60) -> Tensor:
    """A mean of so many periodograms of fields of this power."""
    generator = np.random.default_rng(seed)
    return power * torch.from_numpy(generator.gamma(patches, 1 / patches, power.shape)).float()


def a_field(rows: int, cols: int) -> Field:
    """Over photos of 3:4."""
    return Field(rows, cols, 600, 800)


# The field


def test_nodes_lie_where_the_kernels_of_a_psf_do() -> None:
    field, rng = a_field(2, 3), np.random.default_rng(0)
    grid = PsfGrid(rng.random((2, 3, 1, 5, 5)))
    kernels = torch.from_numpy(grid.kernels.copy()).flatten(0, 1)
    positions = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.3, 0.8], [1.2, -0.1]])
    for position, weights in zip(positions, field.weights(positions), strict=True):
        expected = grid.at(float(position[0]), float(position[1]))
        np.testing.assert_allclose(torch.einsum("n,nchw->chw", weights, kernels).numpy(), expected, atol=1e-6)
    torch.testing.assert_close(field.weights(field.nodes), torch.eye(6))


def test_polynomials_are_of_unit_size_and_no_more_than_the_nodes_can_tell() -> None:
    steps = (torch.arange(100) + 0.5) / 100
    everywhere = torch.cartesian_prod(steps, steps)
    values = a_field(8, 8).polynomials(everywhere, 3)
    assert values.shape == (10_000, 10)
    torch.testing.assert_close(values.T @ values / len(values), torch.eye(10), atol=5e-3, rtol=0.0)
    assert (values[:, 0] == 1).all()
    told = [order for order, can in zip(orders(3), a_field(1, 3).told_apart(3), strict=True) if can]
    assert told == [(0, 0), (0, 1), (0, 2)]
    assert a_field(2, 2).told_apart(3).sum() == 4


def turned(positions: Tensor, angle: float) -> Tensor:
    """Field positions turned about the middle of photos of 3:4, from columns towards rows."""
    down, right = (positions[:, 0] - 0.5) * 600, (positions[:, 1] - 0.5) * 800
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.stack([(sine * right + cosine * down) / 600, (cosine * right - sine * down) / 800], dim=1) + 0.5


@pytest.mark.parametrize("odd", [True, False])
def test_round_functions_turn_with_place_and_direction(odd: bool) -> None:
    field = a_field(2, 3)
    positions = 0.3 + 0.4 * torch.rand(7, 2, generator=torch.Generator().manual_seed(0))
    angles = torch.tensor([0.0, 0.4, 2.0, -1.0])
    values = field.round_functions(positions, angles, 4, odd)
    torch.testing.assert_close(field.round_functions(turned(positions, 0.7), angles + 0.7, 4, odd), values)
    mirrored = positions * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0])
    torch.testing.assert_close(field.round_functions(mirrored, math.pi - angles, 4, odd), values)
    sign = -1.0 if odd else 1.0
    torch.testing.assert_close(field.round_functions(positions, angles + math.pi, 4, odd), sign * values)
    assert values.shape[1] == (3 if odd else 6)
    # The corner is at distance 1, a column away from the middle lies in the direction of columns.
    right = field.round_functions(torch.tensor([[0.5, 1.0]]), torch.tensor([0.0]), 3, odd=True)
    torch.testing.assert_close(right[0, :, 0], torch.tensor([0.8, 0.8**3, 0.8**3]))


class Slope:
    """Patches of noise whose size grows down the photo; stands for a pool of grey photos."""

    channels = 1

    def draw(self, count: int, size: int, generator: torch.Generator) -> PatchBatch:
        positions = torch.rand(count, 2, generator=generator)
        pixels = torch.randn(count, 1, size, size, generator=generator) * (1 + positions[:, :1, None, None])
        return PatchBatch(pixels, positions, torch.full((count, 2), 1e-3))


def test_each_node_has_the_periodogram_of_what_lies_around_it() -> None:
    spectra, counts = field_periodograms(Slope(), a_field(2, 3), 0)  # type: ignore[arg-type]
    assert spectra.shape == (6, WINDOW, WINDOW, 1, 1)
    assert float(counts.sum()) == pytest.approx(8192, rel=1e-4)
    power = spectra[..., 0, 0].real[:, 4:, 4:].mean(dim=(1, 2)).view(2, 3)
    # (1 + p)^2 under the weights 2 (1 - p) and 2 p of the upper and the lower row.
    torch.testing.assert_close(power, torch.tensor([[1.8333] * 3, [2.8333] * 3]), rtol=0.05, atol=0.0)


# Magnitudes


def seen(field: Field, truth: Tensor, seed: int) -> FieldSpectra:
    """Scattered periodograms of photos behind |H|^2 = exp(truth), each node's content of its own contrast."""
    generator = torch.Generator().manual_seed(seed)
    content = torch.exp(0.4 * torch.randn(len(truth), generator=generator))[:, None, None]
    power = scattered(truth.exp() * PHOTOS * content + NOISE, seed)
    return FieldSpectra(power, torch.full((field.rows * field.cols,), 60.0))


@pytest.mark.parametrize("lens", ["round", "bent"])
def test_magnitudes_are_found_below_the_scatter_of_single_nodes(lens: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lens that is sharpest in the middle; and one that is sharpest at the left, which the halves agree upon."""
    monkeypatch.setattr(field_magnitude, "STEPS", 100)  # half of them are enough for this
    field = a_field(4, 5)
    down, right = (2 * field.nodes - 1).T * torch.tensor([[0.6], [0.8]])
    width = 1.0 + (2.0 * (down.square() + right.square()) if lens == "round" else 1.0 * right)  # px^2
    truth = -4 * torch.pi**2 * RADIUS.square() * width[:, None, None]
    halves = seen(field, truth, 0), seen(field, truth, 1)
    magnitude = FieldMagnitude(field, PHOTOS, NOISE).fit(halves)
    found = magnitude.log_power
    assert magnitude.is_round == (lens == "round")
    assert found.shape == truth.shape
    torch.testing.assert_close(found, found.flip(1, 2).roll((1, 1), (1, 2)))
    assert float(found[:, 0, 0].abs().max()) < 1e-5
    assert magnitude.contrast == pytest.approx(0.0, abs=0.3)
    within = (RADIUS > 0.03) & (RADIUS < 0.15)
    error = (found - truth)[:, within].square().mean().sqrt()
    alone = (((halves[0].power - NOISE).clamp_min(1e-9) / PHOTOS).log() - truth)[:, within].square().mean().sqrt()
    assert float(error) < 0.5 * float(alone), (error, alone)


# Colours


def coloured(shift: Tensor, width: Tensor) -> Tensor:
    """Cross-spectra N x F x F x 3 x 3 of photos whose red lies `shift` (N x 2, px) from green and is blurred by a
    Gaussian of variance `width` (N, px^2) more."""
    turn = -2 * torch.pi * (FREQUENCY[:, None] * shift[:, :1, None] + FREQUENCY * shift[:, 1:, None])
    fall = -2 * torch.pi**2 * RADIUS.square() * width[:, None, None]
    red = torch.exp(torch.complex(fall, turn))
    transfer = torch.stack([red, torch.ones_like(red), torch.ones_like(red)], dim=-1)
    colours = 0.2 * torch.eye(3) + 0.8
    fields = PHOTOS[..., None, None] * colours
    noise = NOISE * torch.eye(3)
    return transfer[..., :, None] * fields * transfer.conj()[..., None, :] + noise


def test_shifts_and_widths_of_the_colours_are_read_off_the_cross_spectra() -> None:
    field = a_field(2, 3)
    places = 2 * field.nodes - 1
    shift = 1.5 * places * torch.tensor([1.0, 0.5])  # lateral colour, growing from the middle
    width = 0.5 + 0.3 * places[:, 0]
    still = torch.zeros(1, 2)
    clean = coloured(still, torch.zeros(1))[0] - NOISE * torch.eye(3)
    numbers = field_colours(field, coloured(shift, width), torch.full((6,), 50.0), clean, NOISE)
    torch.testing.assert_close(numbers[:, 0, :2], shift, atol=0.03, rtol=0.0)
    assert float(numbers[:, 1:].abs().max()) < 0.02
    # exp(-W f^2) of `apart` is a Gaussian of variance W / (2 pi^2).
    found = WIDTH_UNIT * numbers[:, 0, 2:4] / (2 * torch.pi**2)
    torch.testing.assert_close(found, width[:, None].expand(-1, 2), atol=0.05, rtol=0.0)
    kernel = torch.zeros(13, 13)
    kernel[5:8, 5:8] = 1 / 9
    red, green, _ = apart(kernel, numbers[0])
    axis = torch.arange(13.0)
    offset = torch.stack(
        [((one - other) * axis).sum() for one, other in ((red.sum(1), green.sum(1)), (red.sum(0), green.sum(0)))]
    )
    torch.testing.assert_close(offset, shift[0], atol=0.15, rtol=0.0)


def test_one_colour_has_nothing_to_tell_apart() -> None:
    numbers = field_colours(
        a_field(2, 2), torch.rand(4, 64, 64, 1, 1) + 0j, torch.ones(4), torch.rand(64, 64, 1, 1) + 0j, NOISE
    )
    assert numbers.shape == (4, 1, 5)
    assert not numbers.any()
