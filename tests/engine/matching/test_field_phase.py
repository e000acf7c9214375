"""Turning phases over the field: each node's kernel becomes lopsided in its own direction, from the clean side."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from ddm_gui.engine.blur.field import Field
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.field_phase import (
    CONTEXT,
    FieldPhaseDescent,
    in_place,
    known_taps,
    recentred,
    turned_patches,
    undone,
)
from ddm_gui.engine.matching.phase import all_pass_gradients, confined, placed_spectrum
from ddm_gui.engine.scores import node_nccs, zero_phase
from ddm_gui.engine.simulate.optics import Lens

from .test_phase import KERNEL, SIDE, coma, exact, points_of_light, some


def tiled(patches: Tensor, size: int) -> Tensor:
    """The middle size x size of patches that are repeated on and on."""
    reach = (size - SIDE) // 2
    around = patches
    while reach > 0:
        step = min(reach, SIDE)
        around, reach = pad(around, (step,) * 4, mode="circular"), reach - step
    return around


def compared(kernels: Tensor, truth: Tensor) -> Any:
    """The NCC of each node."""
    return node_nccs(*(each.view(2, 1, 1, KERNEL, KERNEL).numpy() for each in (kernels, truth)))


def test_what_is_undone_is_the_phase_alone() -> None:
    """On a torus exactly: what is left is blurred by the kernel of phase zero."""
    sharp = torch.randn(4, 48, 48, generator=torch.Generator().manual_seed(0))
    transfer = placed_spectrum(torch.stack([coma(), coma().T, coma().flip(0), coma()]), 48)
    blurred, symmetric = (torch.fft.ifft2(torch.fft.fft2(sharp) * each).real for each in (transfer, transfer.abs()))
    found = undone(blurred[:, None], torch.stack([coma(), coma().T, coma().flip(0), coma()]))
    inside = slice(CONTEXT, 48 - CONTEXT)
    torch.testing.assert_close(found[:, 0], symmetric[:, inside, inside], atol=1e-5, rtol=0.0)


@pytest.fixture(scope="module")
def truth() -> Tensor:
    """Two nodes, one above the other, whose comas point apart: their axis is that of the field, as in a round lens."""
    radial = torch.from_numpy(Lens(coma=0.3, angle=math.pi / 2, diffraction=1.0, softness=0.7).kernels(KERNEL)[1])
    return torch.stack([radial, radial.flip(0)])


def descended(truth: Tensor, photos: list[Tensor], seeds: range, count: int) -> FieldPhaseDescent:
    """Phases turned from zero by `count` patches at a time of what is seen at each of two nodes, under the network of
    what would be seen with phase zero."""
    symmetric = symmetric_points(truth)
    velocity = exact(symmetric)
    log_power = placed_spectrum(truth, WINDOW).abs().clamp_min(1e-6).square().log()
    field = Field(2, 1, 100, 100)
    descent = FieldPhaseDescent(field, log_power, KERNEL, is_round=True)
    size = SIDE + KERNEL - 1 + 2 * CONTEXT
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        known = known_taps(KERNEL, generator)
        turned = turned_patches(tiled(some(symmetric, generator), size), placed_spectrum(known, size).imag)
        descent.learn_curvature(all_pass_gradients(velocity, turned, KERNEL, generator).sum(dim=0), known)
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        rows = (torch.rand(count, generator=generator) < 0.5).long()
        above, below = (some(each, generator, count) for each in photos)
        patches = torch.where(rows[:, None, None, None] == 0, above, below)
        positions = torch.stack([rows.float(), torch.full((count,), 0.5)], dim=1)
        kernels = torch.einsum("bn,nhw->bhw", field.weights(positions), descent.kernels)
        seen_still = undone(tiled(patches, size), kernels)
        descent.move(all_pass_gradients(velocity, seen_still, KERNEL, generator), positions)
    return descent


def symmetric_points(truth: Tensor) -> Tensor:
    return points_of_light(torch.from_numpy(zero_phase(truth[:1].numpy()))[0])


def test_each_node_finds_its_own_direction(truth: Tensor) -> None:
    """From zero phase both are found, and not exchanged; and they stay where they were, as far as patches tell."""
    descent = descended(truth, [points_of_light(kernel) for kernel in truth], range(60), 64)
    before = compared(recentred(descent.with_phases(torch.zeros_like(descent.phases))), truth)
    after = compared(recentred(descent.kernels), truth)
    assert after.min() > before.max() + 0.03, (before, after)
    torch.testing.assert_close(in_place(descent.phases, descent.magnitude), descent.phases, rtol=0.0, atol=1e-4)


def test_what_only_moves_a_kernel_is_no_phase_of_its_shape() -> None:
    """Kernels that were moved have the phases of those that were not, whichever part of them the ramp is."""
    frequency = torch.fft.fftfreq(WINDOW)
    magnitude = placed_spectrum(torch.stack([coma(), coma().T]), WINDOW).abs()
    shape = torch.randn(2, WINDOW, WINDOW, generator=torch.Generator().manual_seed(0))
    ramps = 2 * torch.pi * torch.stack([1.5 * frequency[:, None] - 0.7 * frequency, 0.2 * frequency.expand(WINDOW, -1)])
    still = in_place(shape, magnitude)
    torch.testing.assert_close(in_place(shape + ramps, magnitude), still, rtol=0.0, atol=1e-4)
    torch.testing.assert_close(in_place(ramps, magnitude), torch.zeros_like(ramps), rtol=0.0, atol=1e-4)
    sizes = [float((magnitude * phases).square().sum()) for phases in (still, shape)]
    assert sizes[0] <= sizes[1]


def test_each_kernel_is_put_back_into_its_place() -> None:
    kernels = torch.zeros(3, 15, 15)
    kernels[:, 5:8, 6:10] += 1.0
    found = recentred(kernels / 12)
    axis = torch.arange(15) - 7.0
    assert float((found.sum(dim=2) @ axis).abs().max()) < 0.05
    assert float((found.sum(dim=1) @ axis).abs().max()) < 0.05
    torch.testing.assert_close(found.sum(dim=(1, 2)), torch.ones(3))


def test_state_comes_back() -> None:
    field = Field(2, 3, 100, 150)
    log_power = -4 * torch.rand(6, WINDOW, WINDOW, generator=torch.Generator().manual_seed(0))
    one, other = (FieldPhaseDescent(field, log_power, 9, is_round=False) for _ in range(2))
    generator = torch.Generator().manual_seed(1)
    one.learn_curvature(0.2 * known_taps(9, generator), known_taps(9, generator))
    for _ in range(2):
        one.move(0.01 * torch.randn(8, 9, 9, generator=generator), torch.rand(8, 2, generator=generator))
    other.load(one.tensors())
    assert torch.equal(one.kernels, other.kernels)
    assert not torch.equal(one.kernels, confined(one.magnitude + 0j, 9))


def test_the_slope_is_that_of_phases_which_the_polynomials_can_make() -> None:
    """Turned by the gradient's own steps, the loss falls by the sum of their products."""
    descent = FieldPhaseDescent(Field(4, 4, 100, 100), torch.zeros(16, WINDOW, WINDOW), KERNEL, is_round=True)
    generator = torch.Generator().manual_seed(0)
    gradient, steps = torch.randn(2, descent.basis.shape[1], WINDOW, WINDOW, generator=generator)
    phases = torch.einsum("nj,jhw->nhw", descent.basis, steps)
    torch.testing.assert_close(descent.slope(gradient, phases), -(gradient * steps).sum(), rtol=1e-3, atol=0.1)
