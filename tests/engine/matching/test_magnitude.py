"""What power spectra say of a kernel's magnitude, when the photos themselves differ in contrast and in structure."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.matching.magnitude import MagnitudeMatch
from ddm_gui.engine.simulate.optics import gaussian

SIZE, KERNEL, NOISE = 64, 15, 0.005
FREQUENCY = torch.fft.fftfreq(SIZE)
ROW, COL = FREQUENCY[:, None], FREQUENCY[None, :]
RADIUS = torch.hypot(ROW, COL)
CLEAN = 1e-3 / (RADIUS.square() + 1 / SIZE**2)


def match(kernel: Tensor, difference: Tensor | float = 1.0) -> MagnitudeMatch:
    """Degraded photos seen through a kernel, whose sharp spectrum is `difference` times that of the clean ones."""
    power = torch.fft.fft2(kernel, s=(SIZE, SIZE)).abs().square() * CLEAN * difference + NOISE**2
    return MagnitudeMatch(as_cross(power), as_cross(CLEAN), NOISE)


def as_cross(power: Tensor) -> Tensor:
    return power[..., None, None].to(torch.complex64)


def blob(sigma: float) -> Tensor:
    return torch.from_numpy(gaussian(KERNEL, sigma))


def test_the_right_kernel_has_nothing_to_correct() -> None:
    rest, gain = match(blob(1.5)).correction(blob(1.5)[None])
    assert gain == pytest.approx(0.0, abs=0.05)
    assert float(rest.abs().mean()) < 0.02


@pytest.mark.parametrize(("width", "sign"), [(1.2, -1), (1.8, 1)])
def test_a_kernel_too_narrow_or_too_wide_is_corrected_where_detail_is_seen(width: float, sign: int) -> None:
    rest, _ = match(blob(1.5)).correction(blob(width)[None])
    fine = rest[(RADIUS > 0.15) & (RADIUS < 0.2)].mean()
    coarse = rest[(RADIUS > 0.03) & (RADIUS < 0.06)].mean()
    assert sign * float(fine - coarse) > 0.1


@pytest.mark.parametrize("contrast", [0.5, 2.0])
def test_contrast_goes_into_the_gain(contrast: float) -> None:
    rest, gain = match(blob(1.5), contrast).correction(blob(1.5)[None])
    assert gain == pytest.approx(0.5 * math.log(contrast), abs=0.05)
    assert float(rest.abs().mean()) < 0.03


def lattice(angle: Tensor) -> Tensor:
    """Houses beside trees: more power along both axes, far around them."""
    return torch.exp(0.4 * torch.cos(4 * angle))


def fronts(angle: Tensor) -> Tensor:
    """Streets seen from the front: much more power close to one axis, and none close to the other."""
    return torch.exp(0.8 * torch.exp(-0.5 * (angle.sin().asin().rad2deg() / 6).square()))


@pytest.mark.parametrize(("structure", "share", "width"), [(lattice, 0.2, 1.5), (fronts, 0.3, 0.7)])
def test_upright_structures_of_the_photos_are_not_the_kernels(
    structure: Callable[[Tensor], Tensor], share: float, width: float
) -> None:
    photos = structure(torch.atan2(ROW.expand(SIZE, SIZE), COL.expand(SIZE, SIZE)))
    rest, _ = match(blob(width), photos).correction(blob(width)[None])
    plain = match(blob(width), photos)
    plain.basis = plain.basis * torch.tensor([1.0, 0.0, 0.0, 0.0])  # as if such a difference could not be
    blamed, _ = plain.correction(blob(width)[None])
    assert float(rest.abs().mean()) < share * float(blamed.abs().mean())


def test_what_noise_hides_is_left_alone() -> None:
    found = match(blob(2.5))
    rest, _ = found.correction(blob(1.0)[None])
    hidden = found.visible < 0.01
    assert bool(hidden.any())
    assert float(rest[hidden].abs().max()) < 1e-3
