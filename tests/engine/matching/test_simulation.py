"""The simulated side: what the networks see of it, each patch blurred by the kernel of its place, and the camera."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ddm_gui.engine.blur.field import Field
from ddm_gui.engine.flow.whitening import PlainPixels
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation, photographed
from ddm_gui.engine.photos.patches import PatchPool

from .conftest import TINY, Shelf, a_model, identity_whitening


@pytest.mark.parametrize(("channels", "kernels"), [(1, 1), (3, 1), (3, 3)])
def test_simulated_patches_are_what_the_networks_see(channels: int, kernels: int) -> None:
    simulation = Simulation(identity_whitening(channels), 8, TINY)
    model = a_model(channels, kernels)
    shelf: PatchPool = Shelf(channels)  # type: ignore[assignment]
    simulated, places = simulation.draw(shelf, model.with_gain(), model.noise(), torch.Generator().manual_seed(0))
    assert places is None
    assert simulated.shape == (8, 1, 16, 16)
    torch.testing.assert_close(simulated.square().mean(dim=(1, 2, 3)), torch.ones(8))
    torch.autograd.backward((simulated * torch.rand(simulated.shape)).sum())
    for parameter in (model.logits, model.log_gain, model.log_sigma):
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
    again, _ = simulation.draw(shelf, model.with_gain(), model.noise(), torch.Generator().manual_seed(0))
    assert torch.equal(again, simulated)


def test_over_the_field_each_patch_is_blurred_by_the_kernel_of_its_place() -> None:
    """Two nodes, above and below, one of which lets nothing through: brightness is the place's row."""
    field = Field(2, 1, 101, 101)
    simulation = Simulation(PlainPixels(1), 16, TINY.with_changes({"whiten": False, "procedure": "alternating"}), field)
    kernels = torch.zeros(2, 1, 5, 5)
    kernels[1, 0, 2, 2] = 1.0
    shelf: PatchPool = Shelf(1)  # type: ignore[assignment]
    seen, places = simulation.draw(shelf, kernels, SimulatedNoise(0.0), torch.Generator().manual_seed(0))
    assert places is not None
    assert places.shape == (8, 2, 16, 16)
    alone = replace(simulation, field=None)
    plain, _ = alone.draw(shelf, kernels[1], SimulatedNoise(0.0), torch.Generator().manual_seed(0))
    rows = places[:, 0].mean(dim=(1, 2))
    assert float(rows.std()) > 0.1
    pixels, whole = ((values + 1) / 2 for values in (seen, plain))
    torch.testing.assert_close(pixels, rows[:, None, None, None] * whole, rtol=0, atol=1e-4)


def test_the_camera_clips_rounds_and_adds_the_noise() -> None:
    kernels = a_model(1, 1).with_gain().detach()
    size = 40
    unit = torch.randn(4, 1, size, size, generator=torch.Generator().manual_seed(0))
    for depth, value in ((8, 0.5), (16, 0.5), (8, 1.0)):
        taken = photographed(torch.full((4, 1, size + 4, size + 4), value), kernels, SimulatedNoise(0.1), unit, depth)
        top = 2**depth - 1
        assert float((taken * top - (taken * top).round()).abs().max()) < 0.01
        assert 0.0 <= float(taken.min()) <= float(taken.max()) <= 1.0
        if value == 0.5:
            assert float(taken.std()) == pytest.approx(0.1, rel=0.03)
