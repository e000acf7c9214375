"""Known kernels are what they claim to be."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.engine.blur.psf import centroid
from ddm_gui.engine.simulate.optics import Lens, disc, gaussian


def spread(kernel: np.ndarray, angle: float) -> float:
    """Standard deviation in px along a direction."""
    rows, cols = np.indices(kernel.shape) - kernel.shape[-1] // 2
    along = np.cos(angle) * cols + np.sin(angle) * rows
    return float(np.sqrt((kernel * along**2).sum() - (kernel * along).sum() ** 2))


@pytest.mark.parametrize("size", [24, 25])
def test_gaussian_has_its_widths_and_its_angle(size: int) -> None:
    kernel = gaussian(size, 1.0, 2.0, 0.5)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-6)
    assert centroid(kernel) == pytest.approx((size // 2, size // 2), abs=1e-3)
    pixel = 1 / 12  # variance that integration over a pixel adds
    assert spread(kernel, 0.5) == pytest.approx(np.sqrt(4 + pixel), abs=0.01)
    assert spread(kernel, 0.5 + np.pi / 2) == pytest.approx(np.sqrt(1 + pixel), abs=0.01)


def test_disc_covers_its_area_evenly() -> None:
    kernel = disc(15, 4.0)
    assert kernel[7, 7] == pytest.approx(1 / (np.pi * 16), rel=0.02)
    assert kernel[7, 11] == pytest.approx(kernel[7, 7] / 2, rel=0.2)
    assert kernel[7, 12] == 0.0


def test_a_perfect_lens_gives_the_airy_pattern() -> None:
    """First dark ring at 1.22 wavelengths x f-number: a point 5 px wide is dark near 1.22 x 4 px."""
    kernel = Lens(diffraction=4.0).kernels(25)[1]
    assert kernel.argmax() == 12 * 25 + 12
    profile = kernel[12, 12:]
    assert int(profile[:8].argmin()) == 5
    assert profile[5] < 0.005 * profile[0]
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-7)


@pytest.mark.parametrize("angle", [0.0, 0.6, np.pi / 2, 3.0])
def test_the_tail_of_coma_points_along_the_angle(angle: float) -> None:
    kernel = Lens(coma=0.3, angle=angle).kernels(25)[1]
    peak = np.array(np.unravel_index(kernel.argmax(), kernel.shape))
    tail = np.array(centroid(kernel)) - peak
    assert np.linalg.norm(tail) > 0.8
    direction = tail / np.linalg.norm(tail)
    assert direction @ [np.sin(angle), np.cos(angle)] > 0.85


def test_lateral_colour_moves_red_and_blue_apart() -> None:
    kernels = Lens(lateral=2.0, angle=0.6, softness=0.8, diffraction=0.6).kernels(25)
    red, green, blue = (np.array(centroid(kernel)) for kernel in kernels)
    assert red - blue == pytest.approx(2.0 * np.array([np.sin(0.6), np.cos(0.6)]), abs=0.03)
    assert np.linalg.norm(green - (red + blue) / 2) < 0.1
    assert centroid(kernels) == pytest.approx((12.0, 12.0), abs=0.01)
    assert kernels.sum(axis=(1, 2)) == pytest.approx(1.0, abs=1e-5)


def test_axial_colour_and_defocus_widen() -> None:
    def widths(lens: Lens) -> np.ndarray:
        return np.array([spread(kernel, 0.0) for kernel in lens.kernels(25)])

    # Measured with a softness that hides the faint far rings, whose weight the edge of the kernel cuts.
    assert (widths(Lens(defocus=0.3, softness=0.5)) > widths(Lens(softness=0.5))).all()
    red, green, blue = widths(Lens(defocus=0.3, axial=0.15, softness=0.5)) - widths(Lens(defocus=0.3, softness=0.5))
    assert red > abs(green) + 0.02
    assert blue < -abs(green) - 0.02
