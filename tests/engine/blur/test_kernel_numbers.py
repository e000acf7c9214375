"""A kernel in numbers, against kernels whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.engine.blur.kernel_numbers import colour_shift, kernel_numbers, numbers_over_the_field
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.simulate.blurs import LensBlur
from ddm_gui.engine.simulate.optics import Lens, disc, gaussian
from ddm_gui.engine.simulate.simulated_psf import simulated_psf

FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))  # of a Gaussian, over its standard deviation


@pytest.mark.parametrize("size", [31, 32])
@pytest.mark.parametrize(("across", "along"), [(1.5, 3.0), (2.0, 2.4), (0.8, 4.0)])
@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 145.0])
def test_a_gaussian(size: int, across: float, along: float, degrees: float) -> None:
    found = kernel_numbers(gaussian(size, across, along, np.radians(degrees)))
    pixel = 1 / 12  # variance that integration over a pixel adds
    short, long = np.sqrt(across**2 + pixel), np.sqrt(along**2 + pixel)
    assert found.fwhm_long == pytest.approx(FWHM * long, rel=0.05)
    assert found.fwhm_short == pytest.approx(FWHM * short, rel=0.1)
    assert found.ellipticity == pytest.approx(1 - short / long, abs=0.02)
    assert min(abs(found.direction - degrees), 180 - abs(found.direction - degrees)) < 2.0
    assert found.edge_light < 1e-3


def test_round_kernels_are_round() -> None:
    assert kernel_numbers(gaussian(25, 2.0)).ellipticity < 0.01
    found = kernel_numbers(disc(25, 5.0))
    assert found.ellipticity < 0.01
    assert found.fwhm_long == pytest.approx(10.0, abs=0.5)
    assert found.fwhm_short == pytest.approx(10.0, abs=0.5)


def test_faint_light_far_outside_does_not_change_the_shape() -> None:
    kernel = gaussian(31, 1.5, 3.0)
    haze = np.zeros_like(kernel)
    haze[2:, 10:20] = 1.0
    found = kernel_numbers(kernel + 0.1 * haze / haze.sum())
    assert found.ellipticity == pytest.approx(0.5, abs=0.05)
    assert min(found.direction, 180.0 - found.direction) < 2.0


def test_a_single_bright_pixel_and_a_kernel_that_fills_its_picture() -> None:
    point = np.zeros((9, 9))
    point[4, 4] = 1.0
    found = kernel_numbers(point)
    assert found.fwhm_long == pytest.approx(1.0, abs=0.2)
    assert found.ellipticity == 0.0
    full = kernel_numbers(np.ones((9, 9)))
    assert np.isnan(full.fwhm_long)
    assert full.edge_light == pytest.approx(1 - 25 / 81)


def test_colours_lie_where_the_lens_puts_them() -> None:
    shift = colour_shift(Lens(lateral=2.0, angle=0.0, softness=0.8).kernels(25))
    red, blue = np.array(shift.red), np.array(shift.blue)
    np.testing.assert_allclose(red - blue, [0.0, 2.0], atol=0.05)
    assert red[1] > 0.0 > blue[1]


def test_over_the_field_each_node_has_its_numbers() -> None:
    psf = simulated_psf(LensBlur(rows=2, cols=3), 25)
    table = numbers_over_the_field(psf)
    assert (len(table), len(table[0])) == (2, 3)
    corner = table[1][2]
    assert corner.kernel == kernel_numbers(psf.kernels[1, 2, 1])
    assert corner.shift is not None
    assert min(corner.shift.red) > 0.0 > max(corner.shift.blue)  # red lies outside, here down and to the right
    assert corner.confidence is None
    assert numbers_over_the_field(PsfGrid(gaussian(9, 1.0)[None, None, None]))[0][0].shift is None


def test_a_place_is_as_certain_as_the_least_certain_of_its_colours() -> None:
    kernels = np.broadcast_to(gaussian(9, 1.0), (1, 2, 3, 9, 9))
    psf = PsfGrid(kernels, confidence=np.array([[[0.9, 0.8, 0.7], [0.2, 1.0, 1.0]]]))
    assert [node.confidence for node in numbers_over_the_field(psf)[0]] == pytest.approx([0.7, 0.2])
