"""The demo: what is in its folders, that it cannot be passed by the start alone, and that it needs no network."""

from __future__ import annotations

import socket
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest

from ddm_gui.engine.blur.degradation import blur_same
from ddm_gui.engine.blur.psf import PsfGrid, centroid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos import photo
from ddm_gui.engine.scores import best_isotropic_gaussian, kernel_ncc, zero_phase
from ddm_gui.engine.simulate import demo
from ddm_gui.engine.simulate.known_set import KnownSet


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> KnownSet:
    return demo.build(tmp_path_factory.mktemp("demo") / "new" / "folder")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_folders_are_unpaired_and_the_originals_apart(built: KnownSet) -> None:
    assert names(built.degraded) == names(built.sharp)
    assert not names(built.degraded) & names(built.clean)
    assert all(name.endswith(".png") for folder in (built.clean, built.degraded) for name in names(folder))
    assert {"motorcycle_left.png", "motorcycle_right.png"} < names(built.degraded)
    assert not any("motorcycle" in name for name in names(built.clean))
    prints = [path.read_bytes() for folder in (built.clean, built.sharp) for path in folder.iterdir()]
    assert len(set(prints)) == len(prints)


def test_degraded_is_the_sharp_photo_through_the_true_lens(built: KnownSet) -> None:
    truth = PsfGrid.load(built.truth)
    assert truth.kernels.shape == (1, 1, 3, 25, 25)
    assert truth.noise_sigma == 0.02
    sharp = photo.read(built.sharp / "astronaut.png").pixels
    degraded = photo.read(built.degraded / "astronaut.png").pixels
    residual = degraded - blur_same(sharp, truth.kernels[0, 0])
    inside = (degraded > 0.1) & (degraded < 0.9)
    assert residual[inside].std() == pytest.approx(0.02, rel=0.05)


def test_the_spectrum_alone_cannot_pass(built: KnownSet) -> None:
    kernels = PsfGrid.load(built.truth).kernels
    assert kernel_ncc(zero_phase(kernels), kernels) <= 0.90
    assert kernel_ncc(best_isotropic_gaussian(kernels), kernels) <= 0.90
    assert centroid(kernels) == pytest.approx((12.0, 12.0), abs=0.01)
    red, blue = (np.array(centroid(kernels[0, 0, channel])) for channel in (0, 2))
    assert 1.5 <= np.linalg.norm(red - blue) <= 2.1


def test_photos_are_in_scikit_images_own_package() -> None:
    packed = {path.as_posix() for path in files("scikit-image") or ()}
    for scene in demo.CLEAN_SCENES + demo.DEGRADED_SCENES:
        assert f"skimage/data/{scene}" in packed


def test_nothing_asks_for_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for scene in demo.CLEAN_SCENES + demo.DEGRADED_SCENES:
        assert demo._scene(scene).shape[2] == 3


def test_the_same_seed_gives_the_same_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "CLEAN_SCENES", ())
    monkeypatch.setattr(demo, "DEGRADED_SCENES", ("chelsea.png",))
    monkeypatch.setattr(demo, "LEAVES", 1)
    monkeypatch.setattr(demo, "LEAVES_SIZE", 64)
    folders = [demo.build(tmp_path / name, seed).degraded for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    first, again, other = ([path.read_bytes() for path in sorted(folder.iterdir())] for folder in folders)
    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        demo.build(tmp_path / "file")
