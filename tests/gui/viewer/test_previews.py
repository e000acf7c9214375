"""The photo in view: read and restored beside the window; only the latest wish counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QObject, QRect, Slot
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import Photo, read, upright, write
from ddm_gui.engine.restore import plan
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.gui.viewer import restorations
from ddm_gui.gui.viewer.picture import picture
from ddm_gui.gui.viewer.previews import Previews
from ddm_gui.gui.viewer.restorations import After, Work

from ...conftest import write_dng
from ..conftest import a_kernel


class Witness(QObject):
    """Keeps what arrives."""

    def __init__(self, previews: Previews) -> None:
        super().__init__()
        self.before: list[Path] = []
        self.after: list[Path] = []
        self.afters: list[After] = []
        self.work: list[Work | None] = []
        self.sizes: list[tuple[int, int]] = []
        self.pictures: list[np.ndarray] = []
        self.sensor: list[tuple[int, int]] = []
        self.problems: list[str] = []
        previews.size_known.connect(self.see_size)
        previews.before_ready.connect(self.see_before)
        previews.after_ready.connect(self.see_after)
        previews.failed.connect(self.see_problem)
        previews.not_restored.connect(self.see_problem)
        previews.working.connect(self.see_work)

    @Slot(object, object)
    def see_before(self, path: Path, shown: object) -> None:
        self.before.append(path)
        self.sizes.append((shown.width, shown.height))  # type: ignore[attr-defined]
        self.pictures.append(shown.levels[0])  # type: ignore[attr-defined]

    @Slot(int, int)
    def see_size(self, height: int, width: int) -> None:
        self.sensor.append((height, width))

    @Slot(object)
    def see_after(self, after: After) -> None:
        self.after.append(after.path)
        self.afters.append(after)
        self.pictures.append(after.picture.levels[0])

    @Slot(object)
    def see_work(self, work: Work | None) -> None:
        self.work.append(work)

    @Slot(object, str)
    def see_problem(self, path: Path, reason: str) -> None:
        self.problems.append(reason)


@pytest.fixture
def previews(qapp: object) -> Iterator[Previews]:
    made = Previews()
    yield made
    made.close()


def a_psf() -> PsfGrid:
    return PsfGrid(a_kernel(), 0.01)


def test_a_photo_is_shown_before_its_restoration(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path = degraded_folder / "photo0.png"
    witness = Witness(previews)
    previews.show(path, None)
    qtbot.waitUntil(lambda: witness.before == [path], timeout=10_000)
    assert witness.after == []
    previews.show(path, a_psf())
    qtbot.waitUntil(lambda: witness.after == [path], timeout=10_000)
    assert witness.before == [path]


def test_the_latest_wish_wins(previews: Previews, qtbot: QtBot, clean_folder: Path) -> None:
    paths = sorted(clean_folder.iterdir())
    witness = Witness(previews)
    psf = a_psf()
    for path in paths:
        previews.show(path, psf)
    qtbot.waitUntil(lambda: witness.after == [paths[-1]], timeout=10_000)
    assert witness.before == [paths[-1]]


def test_the_same_kernel_is_not_computed_twice(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path, psf = degraded_folder / "photo0.png", a_psf()
    witness = Witness(previews)
    previews.show(path, psf)
    qtbot.waitUntil(lambda: len(witness.after) == 1, timeout=10_000)
    previews.show(path, psf)
    qtbot.wait(100)
    assert len(witness.after) == 1


def test_while_a_run_computes_restorations_rest(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path = degraded_folder / "photo0.png"
    witness = Witness(previews)
    previews.spare(True)
    previews.show(path, a_psf())
    qtbot.waitUntil(lambda: len(witness.after) == 1, timeout=10_000)
    assert previews._resting.isActive() or previews._resting.interval() == 0
    previews.show(path, a_psf())
    previews.spare(False)
    qtbot.waitUntil(lambda: len(witness.after) == 2, timeout=10_000)


def test_a_photo_that_cannot_be_read_is_told(previews: Previews, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no photo")
    witness = Witness(previews)
    previews.show(tmp_path / "broken.png", None)
    qtbot.waitUntil(lambda: len(witness.problems) == 1, timeout=10_000)
    assert "broken.png" in witness.problems[0]


def test_a_kernel_of_linear_light_restores_raw_as_it_is_displayed(
    previews: Previews, qtbot: QtBot, tmp_path: Path, degraded_folder: Path
) -> None:
    path = write_dng(tmp_path / "a.dng", np.full((64, 64), 9000, np.uint16))
    witness = Witness(previews)
    linear = PsfGrid(a_kernel(), 0.01, "linear")
    previews.show(path, linear)
    qtbot.waitUntil(lambda: witness.after == [path], timeout=10_000)
    before, after = (shown.astype(int) for shown in witness.pictures)
    assert np.abs(after - before).max() <= 1  # an even area, as bright as it was
    previews.show(degraded_folder / "photo0.png", linear)
    qtbot.waitUntil(lambda: bool(witness.problems), timeout=10_000)
    assert "linear light" in witness.problems[0]


def test_a_photo_is_turned_upright(previews: Previews, qtbot: QtBot, tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    witness = Witness(previews)
    previews.show(tmp_path / "turned.jpg", None)
    qtbot.waitUntil(lambda: bool(witness.sizes), timeout=10_000)
    assert witness.sizes == [(40, 60)]
    assert witness.sensor == [(40, 60)]  # height and width: kernels lie over it as it is in the file


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes of what is restored from now on."""
    sizes = []
    real = restorations.correcting

    def correcting(photo: Photo, *rest: object, **named: object) -> object:
        sizes.append(photo.pixels.shape[:2])
        return real(photo, *rest, **named)

    monkeypatch.setattr(restorations, "correcting", correcting)
    return sizes


def test_another_strength_is_mixed_from_what_is_there_exactly_as_it_is_exported(
    previews: Previews, qtbot: QtBot, degraded_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, psf, witness = degraded_folder / "photo0.png", a_psf(), Witness(previews)
    sizes = counted(monkeypatch)
    previews.show(path, psf, Recipe())
    qtbot.waitUntil(lambda: len(witness.afters) == 1, timeout=10_000)
    for strength in (90.0, 60.0, 40.0):
        previews.show(path, psf, Recipe(strength=strength))
    qtbot.waitUntil(lambda: witness.afters[-1].strength == 40.0, timeout=10_000)
    assert len(sizes) == 1
    wanted = picture(upright(restore_photo(read(path), psf, Recipe(strength=40.0))))
    np.testing.assert_array_equal(witness.pictures[-1], wanted.levels[0])
    previews.show(path, psf, Recipe(TotalVariation(turns=2), 40.0))
    qtbot.waitUntil(lambda: witness.afters[-1].full.way.restorer == TotalVariation(turns=2), timeout=20_000)
    assert len(sizes) == 2


@pytest.mark.parametrize("orientation", [1, 6])
def test_of_a_large_photo_what_is_seen_comes_first_at_its_place(
    previews: Previews, qtbot: QtBot, tmp_path: Path, orientation: int
) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (75, 100, 3), dtype=np.uint8)).resize((1000, 750))
    exif = image.getexif()
    exif[0x0112] = orientation
    path = tmp_path / "large.jpg"
    image.save(path, exif=exif, quality=95)
    witness, psf, recipe = Witness(previews), a_psf(), Recipe(Wiener(noise_sigma=0.01))
    previews.show(path, None)
    qtbot.waitUntil(lambda: witness.before == [path], timeout=20_000)
    seen = QRect(300, 400, 220, 200)
    previews.look_at(seen)
    previews.show(path, psf, recipe)
    qtbot.waitUntil(lambda: len(witness.afters) == 2, timeout=30_000)
    part, whole = witness.afters
    assert whole.area is None
    assert part.area is not None
    assert part.area.contains(seen)
    assert part.area.width() < 400
    top, left, bottom, right = part.area.top(), part.area.left(), part.area.bottom(), part.area.right()
    same = whole.picture.levels[0][top : bottom + 1, left : right + 1].astype(int)
    assert part.picture.levels[0].shape == same.shape
    assert np.abs(part.picture.levels[0] - same).mean() < 1.5
    assert part.full.evidence is not None
    assert part.full.evidence.levels[0].shape == same.shape
    assert list(dict.fromkeys(work.part for work in witness.work if work is not None)) == [True, False]
    previews.show(path, psf, Recipe(recipe.restorer, 50.0))
    qtbot.waitUntil(lambda: len(witness.afters) == 4, timeout=30_000)
    assert [after.area is None for after in witness.afters[2:]] == [False, True]


def test_while_a_run_computes_only_what_is_seen_of_a_large_photo_is_restored(
    previews: Previews, qtbot: QtBot, tmp_path: Path
) -> None:
    path, witness = tmp_path / "large.png", Witness(previews)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (600, 900, 3), dtype=np.uint8)).save(path)
    previews.spare(True)
    previews.show(path, None)
    qtbot.waitUntil(lambda: witness.before == [path], timeout=20_000)
    previews.look_at(QRect(0, 0, 100, 100))
    previews.show(path, a_psf())
    qtbot.waitUntil(lambda: len(witness.afters) == 1, timeout=20_000)
    assert witness.afters[0].area is not None
    previews._resting.stop()
    previews._go_on()
    assert previews._work is None
    previews.spare(False)
    qtbot.waitUntil(lambda: len(witness.afters) == 2, timeout=20_000)
    assert witness.afters[1].area is None


def test_of_a_file_of_floats_dark_things_are_seen_before_and_after(
    previews: Previews, qtbot: QtBot, tmp_path: Path
) -> None:
    """Stars, beside which all else would be black."""
    path, witness = tmp_path / "sky.tif", Witness(previews)
    waves = np.broadcast_to(np.sin(np.arange(90) / 5)[:, None], (80, 90, 1))
    pixels = (np.random.default_rng(0).normal(100.0, 0.5, waves.shape) + 10.0 * waves).astype(np.float32)
    pixels[10, 10] = pixels[60, 70] = 20_000.0
    write(Photo(pixels / 20_000, 32, white=20_000.0), path)
    no_blur = np.zeros((1, 1, 1, 5, 5), np.float32)
    no_blur[..., 2, 2] = 1.0
    previews.show(path, PsfGrid(no_blur, 1e-4))
    qtbot.waitUntil(lambda: len(witness.afters) == 1, timeout=20_000)
    for shown in witness.pictures:
        assert 70 < np.median(shown[..., 0]) < 185
        assert 40 < shown[..., 0].std() < 110


def test_of_a_photo_beyond_the_memory_only_what_is_seen_is_restored(
    previews: Previews, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "COPIES", 5000)  # 32 GB for the photo, 8 for the part
    path, witness = tmp_path / "large.png", Witness(previews)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (600, 900, 3), dtype=np.uint8)).save(path)
    previews.show(path, None)
    qtbot.waitUntil(lambda: witness.before == [path], timeout=20_000)
    previews.look_at(QRect(0, 0, 900, 600))
    previews.show(path, a_psf())
    qtbot.waitUntil(lambda: len(witness.problems) == 1, timeout=20_000)
    assert "900 x 600 pixels needs" in witness.problems[0]
    assert "Zoom in" in witness.problems[0]
    previews.look_at(QRect(0, 0, 100, 100))
    qtbot.waitUntil(lambda: len(witness.afters) == 1, timeout=20_000)
    assert witness.afters[0].area is not None
    qtbot.wait(100)
    assert previews._work is None
    assert len(witness.problems) == 1
    previews.look_at(QRect(500, 300, 100, 100))
    qtbot.waitUntil(lambda: len(witness.afters) == 2, timeout=20_000)
    assert previews._whole is None


def test_a_restoration_is_given_up_and_taken_up_again(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path, witness = degraded_folder / "photo0.png", Witness(previews)
    previews.show(path, a_psf(), Recipe(TotalVariation(turns=200)))
    qtbot.waitUntil(lambda: any(work is not None and work.share > 0 for work in witness.work), timeout=30_000)
    previews.give_up()
    qtbot.waitUntil(lambda: witness.work[-1] is None, timeout=30_000)
    qtbot.wait(50)
    assert witness.after == []
    previews.take_up()
    qtbot.waitUntil(lambda: witness.after == [path], timeout=60_000)


def test_another_restorer_ends_the_one_at_work(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path, psf, witness = degraded_folder / "photo0.png", a_psf(), Witness(previews)
    previews.show(path, psf, Recipe(TotalVariation(turns=200)))
    qtbot.waitUntil(lambda: any(work is not None and work.share > 0 for work in witness.work), timeout=30_000)
    previews.show(path, psf, Recipe())
    qtbot.waitUntil(lambda: witness.after == [path], timeout=30_000)
    assert witness.afters[0].full.way.restorer == Wiener()


def test_nothing_is_restored_while_it_is_held(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path, witness = degraded_folder / "photo0.png", Witness(previews)
    previews.hold(True)
    previews.show(path, a_psf())
    qtbot.waitUntil(lambda: witness.before == [path], timeout=10_000)
    qtbot.wait(50)
    assert witness.after == []
    previews.hold(False)
    qtbot.waitUntil(lambda: witness.after == [path], timeout=10_000)


def test_why_a_photo_cannot_be_restored_is_told_once(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path, psf, witness = degraded_folder / "photo0.png", a_psf(), Witness(previews)
    previews.show(path, psf, Recipe(Dpir()))
    qtbot.waitUntil(lambda: len(witness.problems) == 1, timeout=30_000)
    assert "needs a denoiser" in witness.problems[0]
    previews.show(path, psf, Recipe(Dpir(), 50.0))
    qtbot.wait(50)
    assert len(witness.problems) == 1
    previews.show(path, psf, Recipe())
    qtbot.waitUntil(lambda: witness.after == [path], timeout=10_000)


def test_during_a_run_a_slow_restorer_comes_to_its_end_and_stays_stopped_where_it_was(
    previews: Previews, qtbot: QtBot, degraded_folder: Path
) -> None:
    path, slow, witness = degraded_folder / "photo0.png", Recipe(TotalVariation(turns=60)), Witness(previews)
    previews.spare(True)
    first = a_psf()
    previews.show(path, first, slow)
    qtbot.waitUntil(lambda: any(work is not None and work.share > 0 for work in witness.work), timeout=30_000)
    previews.show(path, a_psf(), slow)  # a newer kernel
    qtbot.waitUntil(lambda: len(witness.afters) == 1, timeout=60_000)
    assert witness.afters[0].full.way.psf is first
    previews.give_up()
    previews._resting.stop()
    previews.show(path, a_psf(), slow)
    assert previews._work is None
