"""T(y): luminance, white for the photos it was made for, blind to their mean, and one rule for both sides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.flow.whitening import DULL, SIZE, PlainPixels, Whitening, unit_contrast

SIGMA = 0.02


def photo_power(size: int, corner: float = 0.04) -> torch.Tensor:
    """Size x size: a spectrum that falls as those of photos do, of standard deviation .2, with noise of .02."""
    frequency = torch.fft.fftfreq(size)
    power = 1 / (frequency[:, None] ** 2 + frequency**2 + corner**2)
    return 0.2**2 * power / power.mean() + SIGMA**2


def colours(channels: int) -> torch.Tensor:
    """How much the colours of photos have in common: C x C."""
    return 0.3 * torch.eye(channels) + 0.7


def spectrum(channels: int) -> torch.Tensor:
    signal = (photo_power(WINDOW) - SIGMA**2)[..., None, None] * colours(channels)
    return (signal + SIGMA**2 * torch.eye(channels)).to(torch.complex64)


def fields(count: int, channels: int, size: int, seed: int = 0) -> torch.Tensor:
    """Stationary Gaussian pictures of exactly that spectrum: count x C x size x size, mean .5."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, channels, size, size, generator=generator)
    shaped = torch.fft.ifft2(torch.fft.fft2(noise) * (photo_power(size) - SIGMA**2).sqrt()).real
    root = torch.linalg.cholesky(colours(channels))
    grain = SIGMA * torch.randn(count, channels, size, size, generator=generator)
    return 0.5 + torch.einsum("cd,bdhw->bchw", root, shaped) + grain


@pytest.mark.parametrize("channels", [1, 3])
def test_what_comes_out_is_white_where_there_is_signal(channels: int) -> None:
    whitening = Whitening.design(spectrum(channels), SIGMA)
    size = 128
    whitened = whitening.apply(fields(32, channels, size))
    assert whitened.shape == (32, 1, size - Whitening.margin, size - Whitening.margin)
    window = torch.hann_window(whitened.shape[-1])
    spectra = torch.fft.rfft2(whitened * window[:, None] * window)
    power = spectra.abs().square().mean(dim=(0, 1))
    luminance = fields(32, channels, size).mean(dim=1, keepdim=True)
    before = torch.fft.rfft2((luminance[..., :114, :114] - 0.5) * window[:, None] * window)
    before_power = before.abs().square().mean(dim=(0, 1))
    rows, cols = torch.fft.fftfreq(114), torch.fft.rfftfreq(114)
    radius = torch.hypot(rows[:, None], cols)
    bands = [(radius > low) & (radius <= low + 0.05) for low in np.arange(0.1, 0.45, 0.05)]
    levels = torch.stack([power[band].mean() for band in bands])
    levels_before = torch.stack([before_power[band].mean() for band in bands])
    assert levels_before.max() / levels_before.min() > 10
    assert levels.max() / levels.min() < 1.6


@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_photo_gives_nothing(channels: int) -> None:
    whitening = Whitening.design(spectrum(channels), SIGMA)
    assert whitening.filter.shape == (1, channels, SIZE, SIZE)
    assert whitening.filter.sum(dim=(2, 3)).abs().max() < 1e-4 * whitening.filter.abs().max()
    flat = torch.rand(2, channels, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 40, 40)
    assert whitening.apply(flat).abs().max() < 1e-3


def test_all_colours_count_alike_and_what_luminance_lacks_is_not_seen() -> None:
    whitening = Whitening.design(spectrum(3), SIGMA)
    photo = torch.rand(4, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    red, green, blue = (whitening.apply(photo * torch.eye(3)[colour][:, None, None]) for colour in range(3))
    torch.testing.assert_close(red, green)
    torch.testing.assert_close(green, blue)
    assert red.std() > 0.1
    chroma = torch.cat([photo, -2 * photo, photo], dim=1)
    assert whitening.apply(chroma).abs().max() < 1e-4 * whitening.apply(photo.expand(-1, 3, -1, -1)).std()


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_power_is_what_noise_alone_has_behind_it(channels: int) -> None:
    whitening = Whitening.design(spectrum(channels), SIGMA)
    noise = SIGMA * torch.randn(40, channels, 60, 60, generator=torch.Generator().manual_seed(1))
    assert float(whitening.apply(noise).square().mean()) == pytest.approx(whitening.noise_power, rel=0.02)


def test_it_does_not_move_the_picture() -> None:
    """The filter of a symmetric spectrum is symmetric, so a point stays where it is, and a correlation convolves."""
    whitening = Whitening.design(spectrum(3), SIGMA)
    torch.testing.assert_close(whitening.filter, whitening.filter.flip(2, 3), rtol=1e-4, atol=1e-5)
    point = torch.zeros(1, 3, SIZE + 8, SIZE + 8)
    point[0, :, SIZE // 2 + 4, SIZE // 2 + 4] = 1.0
    response = whitening.apply(point)[0, 0]
    assert response.argmax() == 4 * 9 + 4
    torch.testing.assert_close(response, response.flip(0, 1), rtol=1e-3, atol=1e-3)


def test_dull_patches_come_last_and_only_where_there_are_too_few() -> None:
    whitening = Whitening.design(spectrum(1), SIGMA)
    vivid, dull = (2 * DULL * whitening.noise_power) ** 0.5, (0.5 * DULL * whitening.noise_power) ** 0.5
    sign = torch.ones(1, 8, 8)
    sign[:, ::2] = -1
    patches = torch.stack([level * sign for level in (dull, vivid, vivid, dull, vivid, vivid)])
    assert whitening.bright_enough(patches, 3).tolist() == [1, 2, 4]
    assert whitening.bright_enough(patches, 6).tolist() == [1, 2, 4, 5, 0, 3]


def test_unit_contrast_makes_all_patches_alike_and_lets_the_gradient_through() -> None:
    patches = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    patches[1] *= 50
    patches.requires_grad_()
    equal = unit_contrast(patches)
    torch.testing.assert_close(equal.square().mean(dim=(1, 2, 3)), torch.ones(3))
    torch.testing.assert_close(unit_contrast(7 * patches), equal)
    torch.autograd.backward((equal * torch.randn(equal.shape, generator=torch.Generator().manual_seed(1))).sum())
    assert patches.grad is not None
    # Making a patch stronger changes nothing, so the gradient is at right angles to the patch.
    assert (patches.grad * patches.detach()).sum(dim=(1, 2, 3)).abs().max() < 1e-3
    assert patches.grad[0].norm() > 10 * patches.grad[1].norm()


def test_an_all_black_patch_stays_finite() -> None:
    assert torch.equal(unit_contrast(torch.zeros(1, 1, 8, 8)), torch.zeros(1, 1, 8, 8))


def test_photos_without_noise_are_whitened_too() -> None:
    """A spectrum with frequencies that hold nothing must not lead to division by nothing."""
    power = torch.zeros(WINDOW, WINDOW, 1, 1, dtype=torch.complex64)
    power[1, 1] = 0.3
    whitening = Whitening.design(power, 0.0)
    assert whitening.filter.isfinite().all()
    assert whitening.noise_power > 0


def test_plain_pixels_are_the_patch_itself_from_minus_one_to_one() -> None:
    patches = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    plain = PlainPixels(3)
    seen = plain.apply(patches)
    torch.testing.assert_close(seen, 2 * patches - 1)
    assert plain.levelled(seen) is seen
    assert plain.bright_enough(torch.zeros(5, 3, 8, 8), 4).tolist() == [0, 1, 2, 3]
    assert plain.to(torch.device("cpu")) is plain
    assert (plain.margin, plain.surplus, plain.channels) == (0, 1, 3)
