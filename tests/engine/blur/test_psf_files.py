"""PSFs of other programs: arrays in NPZ and NPY files, and what is none; and for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from astropy.io import fits

from ddm_gui.engine.blur.psf import PsfGrid, centroid
from ddm_gui.engine.blur.psf_files import lens_name, load_psf, write_psf
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.simulate.optics import gaussian


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
@pytest.mark.parametrize("nodes", [(), (2, 3), (2, 3, 3)])
def test_an_array_becomes_a_grid(tmp_path: Path, suffix: str, nodes: tuple[int, ...]) -> None:
    kernels = np.broadcast_to(7 * gaussian(11, 1.5, 0.8) - 1e-6, (*nodes, 11, 11))
    path = tmp_path / f"naïve {suffix}"
    np.savez(path, psf=kernels, x=np.arange(3)) if suffix == ".npz" else np.save(path, kernels)
    psf = load_psf(path)
    assert psf.kernels.shape == {0: (1, 1, 1, 11, 11), 2: (2, 3, 1, 11, 11), 3: (2, 3, 3, 11, 11)}[len(nodes)]
    np.testing.assert_allclose(psf.kernels[0, 0, 0], gaussian(11, 1.5, 0.8), atol=1e-4)
    assert psf.kernels.min() >= 0.0
    assert psf.noise_sigma is None


def test_our_own_file_is_read_as_it_is(tmp_path: Path) -> None:
    own = PsfGrid(gaussian(9, 1.0)[None, None, None], 0.01)
    own.save(tmp_path / "psf.safetensors")
    assert load_psf(tmp_path / "psf.safetensors").noise_sigma == 0.01


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"kernels": np.ones((2, 5, 5))}, "the shape"),
        ({"kernels": np.ones((5, 4))}, "the shape"),
        ({"kernels": np.ones((2, 2, 2, 5, 5))}, "the shape"),
        ({"kernels": np.full((5, 5), "a")}, "the shape"),
        ({"a": np.ones((5, 5)), "b": np.ones((5, 5))}, "2 arrays"),
        ({"x": np.arange(3)}, "0 arrays"),
        ({"kernels": -np.ones((5, 5))}, "no light"),
        ({"kernels": np.full((5, 5), np.nan)}, "no light"),
    ],
)
def test_what_is_no_psf(tmp_path: Path, arrays: dict[str, np.ndarray], why: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match="not a PSF file") as caught:
        load_psf(tmp_path / "a.npz")
    assert why in caught.value.why


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", kernels=np.ones((5, 5)))
    whole = (tmp_path / "a.npz").read_bytes()
    for kept in (0, 1, 50, len(whole) - 30):
        (tmp_path / "a.npz").write_bytes(whole[:kept])
        with pytest.raises(UserError, match="is not a PSF file"):
            load_psf(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(b"no arrays")
    with pytest.raises(UserError) as caught:
        load_psf(tmp_path / "a.npz")
    assert "allow_" not in str(caught.value)  # the setting that numpy advises would run what the file holds
    with pytest.raises(UserError, match="does not exist"):
        load_psf(tmp_path / "b.npy")


OVER = PsfGrid(
    np.random.default_rng(0).dirichlet(np.ones(49), (2, 4, 3)).reshape(2, 4, 3, 7, 7), 0.02, provenance={"seed": 3}
)


@pytest.mark.parametrize("suffix", [".npz", ".tif", ".TIFF", ".fits", ".safetensors"])
def test_what_is_written_for_other_programs_holds_the_same(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"läns{suffix}"
    for _ in range(2):  # the second time a file is there
        write_psf(OVER, path)
    if suffix == ".npz":
        with np.load(path) as content:
            kernels, about = content["kernels"], json.loads(str(content["about"]))
            assert content["cols"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
        np.testing.assert_allclose(load_psf(path).kernels.sum(axis=(-2, -1)), 1.0, atol=1e-5)
    elif suffix.lower().startswith(".tif"):
        with tifffile.TiffFile(path) as file:
            kernels, about = file.asarray(), json.loads(file.imagej_metadata["Info"])
            assert file.series[0].axes == "TZCYX"
    elif suffix == ".fits":
        with fits.open(path) as content:
            kernels, header = np.array(content[0].data), content[0].header
            about = {"noise_sigma": header["NOISE"], "provenance": json.loads(header["HISTORY"][-1])}
    else:
        kernels, about = PsfGrid.load(path).kernels, {"noise_sigma": 0.02, "provenance": {"seed": 3}}
    np.testing.assert_array_equal(kernels, OVER.kernels)
    assert about["noise_sigma"] == 0.02
    assert about["provenance"] == {"seed": 3}
    assert [left.name for left in tmp_path.iterdir()] == [path.name]


def test_confidence_goes_along(tmp_path: Path) -> None:
    sure = PsfGrid(OVER.kernels, confidence=np.full((2, 4, 3), 0.75))
    write_psf(sure, tmp_path / "lens.npz")
    with np.load(tmp_path / "lens.npz") as content:
        assert np.array(json.loads(str(content["about"]))["confidence"]).shape == (2, 4, 3)
    write_psf(sure, tmp_path / "lens.fits")
    with fits.open(tmp_path / "lens.fits") as content:
        assert (content["CONFIDENCE"].data == 0.75).all()


@pytest.mark.parametrize(
    ("file", "name"), [("lab/g6/psf.safetensors", "g6"), ("Helios 44-2.safetensors", "Helios 44-2"), ("a.npz", "a")]
)
def test_a_lens_is_called_as_its_file_or_its_project(tmp_path: Path, file: str, name: str) -> None:
    assert lens_name(tmp_path / file) == name


def test_other_names_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not the name of a PSF file"):
        write_psf(OVER, tmp_path / "lens.jpg")
    for suffix in (".npz", ".safetensors"):
        with pytest.raises(UserError, match="cannot be written"):
            write_psf(OVER, tmp_path / "nowhere" / f"lens{suffix}")


def test_provenance_that_fits_cannot_write_in_one_line(tmp_path: Path) -> None:
    about = {"sources": ["/home/用户/photos/" + 100 * "x" + f"{index}.png" for index in range(30)]}
    write_psf(PsfGrid(OVER.kernels, None, provenance=about), tmp_path / "lens.fits")
    with fits.open(tmp_path / "lens.fits") as content:
        assert content[0].header["NOISE"] == "unknown"


def test_a_telescopes_grid(shared_data: Path) -> None:
    psf = load_psf(shared_data / "kernels" / "decam_psfex" / "decam_ccd12_psf_grid_12x6.npz")
    assert psf.kernels.shape == (12, 6, 1, 25, 25)
    assert psf.kernels.min() >= 0.0
    assert centroid(psf.kernels) == pytest.approx((12, 12), abs=1e-2)
