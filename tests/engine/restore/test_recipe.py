"""All restorers by one call: they gain, they are judged, and what is clipped or not sure is spared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from ddm_gui.engine.blur.field_blur import blur_field_same
from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import Photo, read
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.evidence import Evidence
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.restore.recipe import RESTORERS, Recipe, correcting, restore, restore_photo, restorer_of
from ddm_gui.engine.restore.restorer import Blurred, Restorer, drained, pixel_weights
from ddm_gui.engine.restore.trust import BESIDE, away_from_clipping, sureness, unclipped
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.scores import photo_psnr
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import Lens, gaussian

LENS = Lens(coma=0.3, lateral=1.0, angle=0.6, softness=0.8).kernels(15)
PSF = PsfGrid(LENS[None, None], 0.02)
SHARP = 0.2 + 0.6 * dead_leaves(170, 150, np.random.default_rng(1))


def blurred(psf: PsfGrid = PSF) -> Photo:
    rng = np.random.default_rng(0)
    pixels = blur_field_same(SHARP, psf.kernels) + 0.02 * rng.standard_normal(SHARP.shape).astype(np.float32)
    return Photo(np.clip(pixels, 0, 1).astype(np.float32), 16)


def over_the_field() -> PsfGrid:
    grid = [[gaussian(15, 0.7 + 0.5 * row, 0.7 + 0.4 * col) for col in range(3)] for row in range(2)]
    return PsfGrid(np.array(grid)[:, :, None], 0.02)


@pytest.mark.parametrize("psf", [PSF, over_the_field()], ids=["one", "field"])
@pytest.mark.parametrize("restorer", [Wiener(), TotalVariation()], ids=["wiener", "tv"])
def test_a_blurred_photo_gains_and_what_it_gains_is_borne_out(restorer: Restorer, psf: PsfGrid) -> None:
    photo = blurred(psf)
    found = restore(photo, psf, Recipe(restorer))
    before, after = (photo_psnr(pixels, SHARP, 15) for pixels in (photo.pixels, found.photo.pixels))
    assert after > before + 1.0
    assert found.evidence is not None
    assert 0.5 < found.evidence.rms < 1.2
    assert found.evidence.warning == ""


def test_a_blur_that_is_not_the_photos_is_told() -> None:
    photo = Photo(SHARP.astype(np.float32), 16)
    found = restore(photo, PsfGrid(gaussian(15, 3.0)[None, None, None], 0.005), Recipe())
    assert found.evidence is not None
    assert found.evidence.rms > 2
    assert "differs" in found.evidence.warning


def test_plug_and_play_is_above_wiener(shared_data: Path) -> None:
    sharp = read(shared_data / "photos" / "kodak24" / "kodim19.png").pixels[300:460, 200:360]
    photo = Photo(degrade(sharp, LENS, 0.01, np.random.default_rng(0)), 16)
    psf = replace(PSF, noise_sigma=0.01)
    network = Dpir(denoiser=str(shared_data / "weights" / "ffdnet_color_converted.pth"))
    scores = [photo_psnr(restore_photo(photo, psf, Recipe(each)).pixels, sharp, 15) for each in (Wiener(), network)]
    assert scores[1] > scores[0] + 1.0, scores


@pytest.mark.parametrize("psf", [PSF, over_the_field()], ids=["one", "field"])
@pytest.mark.parametrize("name", ["tv", "dpir"])
def test_tiled_is_whole(shared_data: Path, monkeypatch: pytest.MonkeyPatch, name: str, psf: PsfGrid) -> None:
    """At most 1 of 255 anywhere, a tenth of that rms, and no larger step at a tile's edge than elsewhere.

    In 2 x 2 tiles, none of which sees all of the photo; a network, which is slow, in two beside each other.
    """
    weights = str(shared_data / "weights" / "ffdnet_color_converted.pth")
    restorer: Restorer = Dpir(denoiser=weights) if name == "dpir" else TotalVariation()
    height, width, tile = (112, 268, 150) if name == "dpir" else (188, 188, 110)
    rng = np.random.default_rng(0)
    sharp = read(shared_data / "photos" / "kodak24" / "kodim05.png").pixels[:height, :width]
    if name == "tv" and psf.channels == 1:
        sharp = sharp[..., 1:2]  # one colour is as hard as three
    pixels = blur_field_same(sharp, psf.kernels) + 0.02 * rng.standard_normal(sharp.shape).astype(np.float32)
    photo = Photo(np.clip(pixels, 0, 1).astype(np.float32), 16)
    whole = restore_photo(photo, psf, Recipe(restorer)).pixels
    monkeypatch.setattr(type(restorer), "usual_plan", lambda self, device: Plan(tile=tile))
    tiled = restore_photo(photo, psf, Recipe(restorer)).pixels
    assert not np.array_equal(tiled, whole)
    difference = tiled - whole
    assert np.abs(difference).max() < 1 / 255
    assert np.sqrt(np.square(difference).mean()) < 1 / 2550


@pytest.mark.parametrize("name", ["wiener", "tv"])
def test_strength_is_how_much_of_it(name: str) -> None:
    photo, restorer = blurred(), restorer_of(name, {})
    full, half = (restore_photo(photo, PSF, Recipe(restorer, strength)).pixels for strength in (100, 50))
    nothing = restore(photo, PSF, Recipe(restorer, 0))
    np.testing.assert_array_equal(nothing.photo.pixels, photo.pixels)
    assert nothing.evidence is None
    np.testing.assert_allclose(half, (full + photo.pixels) / 2, atol=0.02)
    with pytest.raises(UserError, match="101"):
        Recipe(restorer, 101)


def test_clipped_highlights_ring_less() -> None:
    """A lamp beyond white on an even wall: around it what is made of the clipped pixels under- and overshoots."""
    light = np.full((90, 90, 1), 0.3, dtype=np.float32)
    light[40:50, 40:50] = 1.5
    psf = PsfGrid(gaussian(15, 1.5)[None, None, None], 0.005)
    noise = 0.005 * np.random.default_rng(0).standard_normal(light.shape)
    photo = Photo(np.clip(blur_field_same(light, psf.kernels) + noise, 0, 1).astype(np.float32), 16)
    around = np.zeros((90, 90), dtype=bool)
    around[32:58, 32:58] = True
    around[37:53, 37:53] = False
    restorer = TotalVariation()
    alone = np.clip(drained(restorer.restoring(Blurred(photo, psf, [0.005], None), restorer.usual_plan("cpu"))), 0, 1)
    spared = restore_photo(photo, psf, Recipe(restorer)).pixels
    before, after = (float(np.abs(pixels[around] - 0.3).mean()) for pixels in (alone, spared))
    assert after < 0.5 * before, (before, after)


def test_clipped_highlights_are_completed_for_the_wiener_filter() -> None:
    """Around lamps beyond white it then makes nearly what it makes of a photo that was not clipped."""
    light = SHARP.copy()
    for row, col, width in ((30, 40, 3), (60, 100, 6), (110, 50, 12)):
        light[row : row + width, col : col + width] = 2.0
    noise = 0.02 * np.random.default_rng(0).standard_normal(light.shape)
    pixels = (blur_field_same(light, PSF.kernels) + noise).astype(np.float32)
    photo, restorer = Photo(np.clip(pixels, 0, 1), 16), Wiener()
    known = unclipped(photo)
    assert known is not None
    beside = (distance_transform_edt(known) <= 10) & known
    ideal, alone, spared = (
        drained(restorer.restoring(Blurred(each, PSF, [0.02] * 3, seen), restorer.usual_plan("cpu")))
        for each, seen in ((Photo(pixels, 16), None), (photo, None), (photo, known))
    )
    before, after = (float(np.abs(found - ideal)[beside].mean()) for found in (alone, spared))
    assert after < 0.8 * before, (before, after)


def test_a_photo_that_is_not_clipped_has_nothing_to_spare() -> None:
    assert unclipped(blurred()) is None
    assert away_from_clipping(None, PSF) is None
    white = np.minimum(SHARP, 0.95)
    white[60:64, 69:73, 1] = 1.0
    white[20, 30, 0] = 1.0  # a single one, as noise makes it
    known = unclipped(Photo(white, 8))
    share = away_from_clipping(known, PSF)
    assert share is not None
    assert (share[61:63, 70:72, 1] == BESIDE).all()
    assert (share[..., 0] == 1).all()
    assert share[0, 0, 1] == 1
    assert BESIDE < share[61, 74, 1] < 1
    np.testing.assert_array_equal(away_from_clipping(known, PSF, slice(50, 70)), share[50:70])


def test_correction_is_gentle_where_a_kernel_is_not_sure() -> None:
    confidence = np.ones((2, 3, 1), dtype=np.float32)
    assert sureness(replace(over_the_field(), confidence=confidence), 170, 150, 3) is None
    confidence[0, 0] = 0.0
    psf = replace(over_the_field(), confidence=confidence)
    photo = blurred(psf)
    careful, full = restore_photo(photo, psf).pixels, restore_photo(photo, over_the_field()).pixels
    np.testing.assert_array_equal(careful[0, 0], photo.pixels[0, 0])
    np.testing.assert_allclose(careful[100:, 100:], full[100:, 100:], atol=1e-6)


def test_each_restorer_says_what_it_is() -> None:
    assert list(RESTORERS) == ["wiener", "tv", "dpir"]
    for name, kind in RESTORERS.items():
        assert kind.name == name
        assert kind.title
        assert kind.citation


@pytest.mark.parametrize(
    ("name", "settings", "named"),
    [("unsharp", {}, "unsharp"), ("tv", {"denoiser": "x"}, "denoiser"), ("tv", {"turns": 0}, "turns")],
)
def test_what_no_restorer_has_is_refused(name: str, settings: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named):
        restorer_of(name, settings)


# Noise that grows with light

PHOTONS = PhotonNoise(0.004, 2e-5)
GREY = gaussian(15, 1.3)[None, None, None]
KNOWS = PsfGrid(GREY, light="linear", photon_noise=PHOTONS)
DARK = (0.25 * dead_leaves(150, 150, np.random.default_rng(1)) ** 2).astype(np.float32)  # little light


def in_little_light(noise: PhotonNoise = PHOTONS) -> Photo:
    return Photo(degrade(DARK, GREY[0, 0], noise, np.random.default_rng(0)), 16, light="linear")


def test_the_noise_of_each_pixel_is_known_from_the_light_around_it() -> None:
    photo = in_little_light()
    found = Wiener().variance(photo, KNOWS)
    assert found is not None
    true = PHOTONS.variance(blur_field_same(DARK, GREY))
    assert np.median(np.abs(found / true - 1)) < 0.15
    assert Wiener().variance(photo, replace(KNOWS, photon_noise=None)) is None
    assert Wiener(noise_sigma=0.01).variance(photo, KNOWS) is None  # what a person says counts
    noises = Wiener().overall_noises(found)
    assert noises == pytest.approx(np.sqrt(true.mean(axis=(0, 1))), rel=0.1)
    assert all(np.array(TotalVariation().overall_noises(found)) < 0.9 * np.array(noises))


def test_a_photo_with_more_noise_than_the_lens_was_learned_from_is_given_more() -> None:
    photo = in_little_light(PHOTONS.scaled(4.0))
    found = Wiener().variance(photo, KNOWS)
    assert found is not None
    true = PHOTONS.scaled(4.0).variance(blur_field_same(DARK, GREY))
    assert found.mean() == pytest.approx(true.mean(), rel=0.2)


def test_weights_fall_as_noise_grows_and_clipped_pixels_count_nothing() -> None:
    variance = np.array([[[1e-4], [4e-4]]], np.float32)
    assert pixel_weights(None, variance, 0.01) == pytest.approx(np.array([[[1.0], [0.5]]]))
    assert pixel_weights(np.array([[[False], [True]]]), variance, 0.01) == pytest.approx(np.array([[[0], [0.5]]]))
    assert pixel_weights(None, None, 0.01) is None


def test_noise_that_grows_with_light_is_no_surprise_and_weights_gain() -> None:
    photo = in_little_light()
    sigma = float(np.sqrt(PHOTONS.variance(blur_field_same(DARK, GREY)).mean()))
    alike = restore(photo, replace(KNOWS, photon_noise=None), Recipe(TotalVariation(noise_sigma=sigma)))
    weighed = restore(photo, KNOWS, Recipe(TotalVariation()))
    assert weighed.evidence is not None
    assert 0.6 < weighed.evidence.rms < 1.1
    assert weighed.evidence.residual.shape == photo.pixels.shape
    light = DARK.mean(axis=2)
    bright, dark = light > np.quantile(light, 0.67), light < np.quantile(light, 0.33)
    gains = []  # dB
    for part in (dark, bright, light >= 0):
        errors = [np.square(found.photo.pixels - DARK)[part].mean() for found in (alike, weighed)]
        gains.append(10 * np.log10(errors[0] / errors[1]))
    assert gains[0] > -0.5
    assert gains[1] > 0.7
    assert gains[2] > 0.4


# Recipes, and restorations step by step


def test_a_recipe_is_what_its_content_says() -> None:
    for recipe in (Recipe(), Recipe(TotalVariation(weight=0.3), 40.0), Recipe(Dpir(denoiser="a.pth", steps=4))):
        assert Recipe.of(recipe.content()) == recipe


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"restorer": "unsharp"}, "unsharp"),
        ({"restorer": 3}, "3"),
        ({"strength": 101}, "101"),
        ({"strength": "all"}, "all"),
        ({"strength": float("nan")}, "nan"),
        ({"settings": {"turns": 0}}, "turns"),
        ({"settings": {"denoiser": "x"}}, "denoiser"),
        ({"settings": 3}, "int"),
        ({"settings": None}, "NoneType"),
    ],
)
def test_a_damaged_recipe_is_refused(change: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named) as refused:
        Recipe.of(Recipe(TotalVariation()).content() | change)
    assert "recipe that is saved in the project" in refused.value.what


def test_any_strength_can_be_taken_of_a_photo_that_is_corrected_once() -> None:
    photo, restorer = blurred(), TotalVariation(turns=3)
    found = drained(correcting(photo, PSF, restorer))
    for strength in (0.0, 35.0, 100.0):
        pixels = restore_photo(photo, PSF, Recipe(restorer, strength)).pixels
        np.testing.assert_array_equal(found.at(strength).pixels, pixels)


def test_a_restoration_tells_how_far_it_is_and_stops_when_it_is_closed() -> None:
    steps = correcting(blurred(), PSF, TotalVariation(turns=4))
    assert [next(steps) for _ in range(4)] == [0.0, 0.25, 0.5, 0.75]
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_the_residual_around_a_pixel_is_its_root_mean_square() -> None:
    residual = np.zeros((40, 40, 3), np.float32)
    residual[:, 20:] = 2.0
    around = Evidence(residual, 1.4, 0.0).around(2.0)
    assert around.shape == (40, 40)
    assert around[20, 5] < 0.01
    assert around[20, 35] == pytest.approx(2.0, abs=0.01)
