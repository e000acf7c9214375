"""The PSF file and the conventions of a kernel: true convolution, row 0 on top, origin at k // 2, R G B."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from ddm_gui.engine.blur.noise import MIDDLE_GREY, PhotonNoise
from ddm_gui.engine.blur.psf import (
    FORMAT_VERSION,
    PsfGrid,
    centred,
    centroid,
    field_positions,
    node_weights,
    profiles,
)
from ddm_gui.engine.errors import UserError


def grid(rows: int = 1, cols: int = 1, channels: int = 3, size: int = 9) -> PsfGrid:
    kernels = np.random.default_rng(0).random((rows, cols, channels, size, size))
    kernels /= kernels.sum(axis=(-2, -1), keepdims=True)
    return PsfGrid(kernels, 0.02, "display", {"seed": 3, "clean": ["写真"]})


def gaussian(size: int, sigma: float, row: float, col: float) -> np.ndarray:
    """A Gaussian whose centre lies at (row, col), in pixels."""
    rows, cols = np.indices((size, size))
    kernel = np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * sigma**2))
    return kernel / kernel.sum()


def width(kernel: np.ndarray) -> tuple[float, float]:
    """Standard deviation along rows and columns, in pixels."""
    rows, cols = np.indices(kernel.shape)
    total = kernel.sum()
    row, col = (kernel * rows).sum() / total, (kernel * cols).sum() / total
    return float(np.sqrt((kernel * (rows - row) ** 2).sum() / total)), float(
        np.sqrt((kernel * (cols - col) ** 2).sum() / total)
    )


# The grid and its file


def test_photon_noise_is_kept_and_says_what_the_noise_is_at_middle_grey(tmp_path: Path) -> None:
    noise = PhotonNoise(0.01, 1e-4)
    given = PsfGrid(grid().kernels, None, "linear", photon_noise=noise)
    assert given.noise_sigma == noise.sigma(MIDDLE_GREY)
    given.save(tmp_path / "psf.safetensors")
    loaded = PsfGrid.load(tmp_path / "psf.safetensors")
    assert (loaded.photon_noise, loaded.noise_sigma) == (noise, given.noise_sigma)
    with safe_open(tmp_path / "psf.safetensors", framework="numpy") as file:
        about = json.loads(file.metadata()["ddm"])
    assert about["photon_noise"] == {"shot": 0.01, "read": 1e-4}
    with pytest.raises(ValueError, match="linear light"):
        PsfGrid(grid().kernels, photon_noise=noise)


@pytest.mark.parametrize("wrong", [{"shot": -1.0, "read": 0.0}, {"shot": 0.1}, {"shot": "a", "read": 0.0}, 3])
def test_photon_noise_that_is_none_is_refused(tmp_path: Path, wrong: object) -> None:
    path = tmp_path / "psf.safetensors"
    PsfGrid(grid().kernels, 0.02, "linear").save(path)
    with safe_open(path, framework="numpy") as file:
        about, kernels = json.loads(file.metadata()["ddm"]), file.get_tensor("kernels")
    assert "photon_noise" not in about  # as files were before
    save_file({"kernels": kernels}, path, metadata={"ddm": json.dumps(about | {"photon_noise": wrong})})
    with pytest.raises(UserError, match="not a PSF file"):
        PsfGrid.load(path)


@pytest.mark.parametrize(("rows", "cols", "channels", "size"), [(1, 1, 1, 8), (1, 1, 3, 25), (2, 3, 3, 7)])
def test_loaded_is_what_was_saved(tmp_path: Path, rows: int, cols: int, channels: int, size: int) -> None:
    given = grid(rows, cols, channels, size)
    path = tmp_path / "zdjęcia Großer 写真.safetensors"
    given.save(path)
    loaded = PsfGrid.load(path)
    assert np.array_equal(loaded.kernels, given.kernels)
    assert (loaded.noise_sigma, loaded.light, dict(loaded.provenance)) == (0.02, "display", given.provenance)
    assert (loaded.size, loaded.channels) == (size, channels)


def test_the_file_says_its_convention_in_words(tmp_path: Path) -> None:
    grid(2, 3).save(tmp_path / "psf.safetensors")
    with safe_open(tmp_path / "psf.safetensors", framework="numpy") as file:
        assert list(file.keys()) == ["kernels"]
        assert file.get_tensor("kernels").dtype == np.float32
        about = json.loads(file.metadata()["ddm"])
    assert about["format_version"] == FORMAT_VERSION
    for words in ("true convolution", "row 0 on top", "origin at k//2", "R, G, B", "sums to one"):
        assert words in about["convention"]
    assert about["field_positions"] == {"rows": [0.0, 1.0], "cols": [0.0, 0.5, 1.0]}
    assert about["light"] == "display"
    assert field_positions(1) == [0.5]


def test_kernels_are_a_copy_that_cannot_be_changed() -> None:
    kernels = np.full((1, 1, 1, 3, 3), 1 / 9, np.float32)
    made = PsfGrid(kernels)
    kernels[:] = 0
    assert made.kernels.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="read-only"):
        made.kernels[0, 0, 0, 0, 0] = 1


@pytest.mark.parametrize("shape", [(3, 3), (1, 1, 2, 3, 3), (1, 1, 1, 3, 4), (1, 1, 1, 1, 3, 3)])
def test_an_impossible_grid_is_a_bug(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="kernels must be"):
        PsfGrid(np.zeros(shape))


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "psf.safetensors"
    with pytest.raises(UserError, match="does not exist"):
        PsfGrid.load(path)
    grid().save(path)
    whole = path.read_bytes()
    kernels = np.ones((1, 1, 1, 3, 3), np.float32)
    for content in (b"", b"text" * 9, whole[:50], whole[:-7]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not a PSF file"):
            PsfGrid.load(path)
    about = json.dumps({"format_version": 1, "noise_sigma": None, "light": "display", "provenance": {}})
    for tensors, metadata in (
        ({"kernels": kernels}, None),
        ({"kernels": kernels}, {"ddm": "no json"}),
        ({"kernels": kernels}, {"ddm": "{}"}),
        ({"kernels": kernels}, {"ddm": about.replace("1", '"new"')}),
        ({"other": kernels}, {"ddm": about}),
        ({"kernels": kernels[0]}, {"ddm": about}),
        ({"kernels": kernels}, {"ddm": about.replace("display", "dim")}),
    ):
        save_file(tensors, path, metadata=metadata)
        with pytest.raises(UserError, match="not a PSF file"):
            PsfGrid.load(path)


def test_a_newer_file_asks_for_an_update(tmp_path: Path) -> None:
    about = {"format_version": FORMAT_VERSION + 1, "noise_sigma": None, "light": "display", "provenance": {}}
    kernels = np.ones((1, 1, 1, 3, 3), np.float32)
    save_file({"kernels": kernels}, tmp_path / "psf.safetensors", metadata={"ddm": json.dumps(about)})
    with pytest.raises(UserError, match="newer version"):
        PsfGrid.load(tmp_path / "psf.safetensors")


def test_confidence_is_kept_where_it_is_known(tmp_path: Path) -> None:
    confidence = np.linspace(0.0, 1.0, 6).reshape(2, 3, 1)
    kernels = np.ones((2, 3, 1, 3, 3)) / 9
    PsfGrid(kernels, confidence=confidence).save(tmp_path / "psf.safetensors")
    found = PsfGrid.load(tmp_path / "psf.safetensors").confidence
    assert found is not None
    assert found == pytest.approx(confidence)
    PsfGrid(kernels).save(tmp_path / "psf.safetensors")
    assert PsfGrid.load(tmp_path / "psf.safetensors").confidence is None
    with pytest.raises(ValueError, match="confidence must be"):
        PsfGrid(kernels, confidence=confidence[0])


# Centring


def test_centroid_is_in_pixels_of_row_and_column() -> None:
    kernel = np.zeros((1, 1, 1, 5, 5))
    kernel[..., 1, 3] = 2.0
    assert centroid(kernel) == (1.0, 3.0)


@pytest.mark.parametrize("size", [15, 16])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, -0.5), (1.3, 0.25), (-2.0, 1.7)])
def test_a_sub_pixel_shift_keeps_the_width_of_a_narrow_kernel(size: int, shift: tuple[float, float]) -> None:
    """A chain of linear shifts would widen it: half a pixel of one adds 0.25 to the variance."""
    middle = size // 2
    kernel = gaussian(size, 0.8, middle + shift[0], middle + shift[1])[None, None, None]
    moved = centred(kernel)
    assert moved.dtype == np.float32
    assert centroid(moved) == pytest.approx((middle, middle), abs=2e-3)
    assert width(moved[0, 0, 0]) == pytest.approx((0.8, 0.8), abs=0.04)
    assert np.abs(moved[0, 0, 0] - gaussian(size, 0.8, middle, middle)).max() < 0.03  # the peak is 0.25
    assert moved.min() >= 0
    assert moved.sum() == pytest.approx(1, abs=1e-5)


def test_centring_again_changes_nothing() -> None:
    once = centred(gaussian(15, 1.0, 7.4, 6.8)[None, None, None])
    assert np.abs(centred(once) - once).max() < 2e-3


@pytest.mark.parametrize("shift", [0.003, -0.003, 0.2])
def test_light_at_the_border_is_not_lost(shift: float) -> None:
    """A learned kernel is faintly lit out to its border: at the smallest shift a whole row of it must not vanish."""
    kernel = gaussian(9, 1.2, 4 + shift, 4 - shift) + 0.002
    moved = centred(kernel[None, None, None])
    assert centroid(moved) == pytest.approx((4, 4), abs=2e-3)
    expected = gaussian(9, 1.2, 4, 4) + 0.002
    assert np.abs(moved[0, 0, 0] - expected / expected.sum()).max() < 0.02 * abs(shift) + 1e-4
    assert moved.min() > 0.0004


def test_all_kernels_share_one_shift_so_that_colour_fringes_stay() -> None:
    kernels = np.stack([gaussian(21, 1.5, 11, 10 + offset) for offset in (-1.0, 0.0, 1.0)])[None, None]
    moved = centred(kernels)
    columns = [centroid(moved[:, :, [channel]])[1] for channel in range(3)]
    assert columns == pytest.approx([9.0, 10.0, 11.0], abs=0.02)
    assert moved.sum(axis=(-2, -1)) == pytest.approx(np.ones((1, 1, 3)), abs=1e-5)


# Profiles


def test_profiles_go_through_the_peak_and_not_through_the_centroid() -> None:
    kernel = np.zeros((5, 5))
    kernel[1, 3], kernel[4, :] = 2.0, 1.0
    across, down = profiles(kernel)
    assert across.tolist() == [0, 0, 0, 2, 0]
    assert down.tolist() == [0, 2, 0, 0, 1]


# Over the field


@pytest.mark.parametrize("count", [1, 2, 5])
def test_weights_of_nodes_sum_to_one_and_are_whole_at_the_nodes(count: int) -> None:
    weights = node_weights(count, np.linspace(-0.2, 1.2, 29))
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)
    assert weights.min() >= 0.0
    np.testing.assert_allclose(node_weights(count, np.array(field_positions(count))), np.eye(count), atol=1e-12)


def test_a_kernel_between_nodes_is_a_mean_of_those_around() -> None:
    over = grid(2, 3)
    np.testing.assert_allclose(over.at(0.0, 1.0), over.kernels[0, 2], atol=1e-7)
    np.testing.assert_allclose(over.at(0.5, 0.25), over.kernels[:, :2].mean(axis=(0, 1)), atol=1e-7)
    np.testing.assert_allclose(over.at(1.7, -0.3), over.kernels[1, 0], atol=1e-7)
