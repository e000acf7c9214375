"""Each kind of blur becomes the kernel that its numbers say, and the PSF says how it was made."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ddm_gui.engine.blur.psf import centroid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.simulate.blurs import BLURS, Blur, ComaBlur, DiscBlur, GaussianBlur, LensBlur, ShakeBlur
from ddm_gui.engine.simulate.simulated_psf import simulated_psf


def spread(kernel: np.ndarray, degrees: float) -> float:
    """Standard deviation in px along a direction, of a kernel with its centroid in the middle."""
    rows, cols = np.indices(kernel.shape) - kernel.shape[-1] // 2
    along = np.cos(np.radians(degrees)) * cols + np.sin(np.radians(degrees)) * rows
    return float(np.sqrt((kernel * along**2).sum()))


@pytest.mark.parametrize("kind", BLURS.values())
@pytest.mark.parametrize("size", [24, 25])
def test_all_keep_the_conventions(kind: type[Blur], size: int) -> None:
    blur = LensBlur(rows=2, cols=3) if kind is LensBlur else kind()
    psf = simulated_psf(blur, size, 0.03)
    assert psf.nodes == ((2, 3) if kind is LensBlur else (1, 1))
    assert psf.kernels.shape[2:] == (3 if kind in (ComaBlur, LensBlur) else 1, size, size)
    assert psf.noise_sigma == 0.03
    assert psf.kernels.sum(axis=(-2, -1)) == pytest.approx(1.0, abs=1e-5)
    assert psf.kernels.min() >= 0.0
    assert centroid(psf.kernels) == pytest.approx((size // 2, size // 2), abs=5e-3)


def test_a_gaussian_is_long_along_its_angle() -> None:
    (kernel,) = simulated_psf(GaussianBlur(sigma=3.0, sigma_across=1.0, angle=30.0)).kernels[0, 0]
    pixel = 1 / 12  # variance that integration over a pixel adds
    assert spread(kernel, 30.0) == pytest.approx(np.sqrt(9 + pixel), rel=0.01)
    assert spread(kernel, 120.0) == pytest.approx(np.sqrt(1 + pixel), rel=0.01)
    (kernel,) = simulated_psf(GaussianBlur(sigma=2.0)).kernels[0, 0]
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-7)


def test_a_disc_is_flat_and_has_its_radius() -> None:
    (kernel,) = simulated_psf(DiscBlur(radius=5.0)).kernels[0, 0]
    assert kernel[12, 12] == pytest.approx(1 / (np.pi * 25), rel=0.02)
    assert kernel[12, 18] == 0.0


@pytest.mark.parametrize("degrees", [0.0, 35.0, 90.0, 200.0])
def test_coma_by_default_has_a_tail_along_its_angle_that_trefoil_parts_in_two(degrees: float) -> None:
    green = simulated_psf(ComaBlur(angle=degrees), 33).kernels[0, 0, 1].astype(np.float64)
    peak = np.array(np.unravel_index(green.argmax(), green.shape))
    tail = np.array(centroid(green)) - peak
    assert np.linalg.norm(tail) > 1.5
    direction = np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])
    assert tail @ direction / np.linalg.norm(tail) > 0.95
    # More light lies on two arms beside the middle of the tail, 6 px from the peak, than on the middle itself.
    rows, cols = np.indices(green.shape) - peak[:, None, None]
    away = np.hypot(rows, cols)
    turned = np.arctan2(rows, cols) - np.radians(degrees)
    turned = np.degrees((turned + np.pi) % (2 * np.pi) - np.pi)

    def light(low: float, high: float) -> float:
        return float(green[(away > 4) & (away < 8) & (turned > low) & (turned < high)].mean())

    assert min(light(20, 50), light(-50, -20)) > 1.2 * light(-12, 12)
    assert max(light(70, 180), light(-180, -70)) < 0.2 * light(-12, 12)


def test_shake_is_the_same_by_its_seed_only() -> None:
    one, again, other = (simulated_psf(ShakeBlur(), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.kernels, again.kernels)
    assert np.abs(one.kernels - other.kernels).max() > 0.01


def test_it_says_how_it_was_made_in_plain_json() -> None:
    about = simulated_psf(GaussianBlur(2.0, 1.0, 15.0), 21, 0.0, seed=7).provenance
    expected = {"kind": "gaussian", "sigma": 2.0, "sigma_across": 1.0, "angle": 15.0, "kernel_size": 21, "seed": 7}
    assert json.loads(json.dumps(about)) == expected


@pytest.mark.parametrize(
    ("blur", "size", "noise", "seed", "said"),
    [
        (DiscBlur(12.5), 25, 0.0, 0, "12.5 px"),
        (GaussianBlur(1.0, 7.0), 25, 0.0, 0, "cannot hold"),
        (ComaBlur(lateral=10.0), 9, 0.0, 0, "cannot hold"),
        (ShakeBlur(), 2, 0.0, 0, "kernel_size"),
        (ShakeBlur(), 25, 0.6, 0, "noise_sigma"),
        (ShakeBlur(), 25, 0.0, -1, "seed"),
    ],
)
def test_what_does_not_fit_is_refused(blur: Blur, size: int, noise: float, seed: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        simulated_psf(blur, size, noise, seed)
    simulated_psf(DiscBlur(12.4))


def test_a_lens_is_worse_outside_its_tails_and_its_red_outwards() -> None:
    lens = LensBlur(rows=3, cols=3, aspect=1.5, curvature=0.1, astigmatism=0.0, coma=0.3, lateral=3.0, axial=0.0)
    psf = simulated_psf(lens, 31)
    assert psf.nodes == (3, 3)
    peaks = psf.kernels[:, :, 1].max(axis=(-2, -1))
    assert peaks[1, 1] > 1.3 * peaks[1, 2] > 1.3 * peaks[2, 2]
    corner, beside = psf.kernels[2, 2], psf.kernels[1, 0]
    outwards = np.array([1.0, 1.5]) / np.hypot(1.0, 1.5)  # down and right, the field being 1.5 times as wide as high
    peak = np.array(np.unravel_index(corner[1].argmax(), corner[1].shape))
    tail = np.array(centroid(corner[1])) - peak
    assert tail @ outwards > 0.95 * np.linalg.norm(tail) > 0.5
    lateral = np.array(centroid(corner[0])) - np.array(centroid(corner[2]))
    np.testing.assert_allclose(lateral, 3.0 * outwards, atol=0.2)
    left = np.array(centroid(beside[0])) - np.array(centroid(beside[2]))
    np.testing.assert_allclose(left, [0.0, -3.0 * 1.5 / np.hypot(1.0, 1.5)], atol=0.2)
    np.testing.assert_allclose(psf.kernels[0, 0], psf.kernels[2, 2, :, ::-1, ::-1], atol=1e-5)
