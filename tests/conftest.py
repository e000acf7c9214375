"""What tests share: where the real photos are, when they are there, and small generated ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.matching import derivatives
from ddm_gui.engine.photos.photo import Photo, write
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import gaussian

COMPANIONS: dict[str, dict[str, Any]] = {  # what must be chosen beside a setting before all its values are allowed
    "noise_model": {"light": "linear"},
    "parametrisation": {"procedure": "alternating"},
    "whiten": {"procedure": "alternating"},
    "sparse_weight": {"procedure": "alternating", "parametrisation": "normalised"},
    "sum_weight": {"procedure": "alternating", "parametrisation": "deep-linear"},
    "smooth_weight": {"procedure": "alternating", "rows": 2},
}


@pytest.fixture(autouse=True, scope="session")
def few_parts() -> Iterator[None]:
    """Step 2 refines its kernels by less of the photos: it is the way there that most tests are about."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(derivatives, "PARTS", 2)
        patch.setattr(derivatives, "CLEAN_PARTS", 64)
        patch.setattr(derivatives, "MIXTURE_STEPS", 5)
        yield


@pytest.fixture(autouse=True)
def own_denoisers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where denoisers are kept in a test: those of the person who runs it change nothing."""
    folder = tmp_path / "denoisers"
    monkeypatch.setenv("DDM_DENOISERS", str(folder))
    return folder


@pytest.fixture
def shared_data() -> Path:
    """The folder of real photos, kernels and RAW files; a test that asks for it skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DDM_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"real test data is absent: {folder} (set DDM_TEST_DATA to where it is)")
    return folder


class SmallPhotos(NamedTuple):
    """Two unpaired folders of generated grey photos, the originals of the degraded ones, and the true PSF's file."""

    clean: Path
    degraded: Path
    sharp: Path
    truth: Path


@pytest.fixture(scope="session")
def small_photos(tmp_path_factory: pytest.TempPathFactory) -> SmallPhotos:
    """Blurred by a Gaussian of 1.4 and .8 px, noise .02. Shared by all tests: copy it before changing a file."""
    root = tmp_path_factory.mktemp("small")
    # Not called as in a known set, where every run would find it by itself.
    made = SmallPhotos(root / "clean", root / "degraded", root / "sharp", root / "true.safetensors")
    for folder in made[:3]:
        folder.mkdir()
    kernel = gaussian(9, 1.4, 0.8, 0.6)[None]
    rng = np.random.default_rng(0)
    for index in range(4):
        for folder in (made.clean, made.sharp):
            pixels = dead_leaves(144, 128, rng)[..., 1:2]
            write(Photo(pixels, 8), folder / f"photo{index}.png")
        write(Photo(degrade(pixels, kernel, 0.02, rng), 8), made.degraded / f"photo{index}.png")
    PsfGrid(kernel[None, None], 0.02).save(made.truth)
    return made


def write_dng(path: Path, mosaic: np.ndarray, orientation: int = 1) -> Path:
    """A minimal Bayer DNG (RGGB) of a camera with sRGB-like colours and white balance 1, 1, 1."""
    identity = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    tags = [
        (274, "H", 1, orientation, True),
        (50706, "B", 4, (1, 4, 0, 0), True),  # DNG version
        (33421, "H", 2, (2, 2), True),  # Bayer pattern
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50708, "s", 0, "Maker Model", True),
        (50721, "2i", 9, identity, True),  # colour matrix
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),  # neutral
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, metadata=None, extratags=tags)
    return path
