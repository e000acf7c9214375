"""Where restored photos go: names, numbers, formats; never over an original, never over a result without a word."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Note, PhotoRestored, PhotoSkipped
from ddm_gui.engine.photos.photo import FLOAT, Photo, read, write
from ddm_gui.engine.restore import photos as restore_module
from ddm_gui.engine.restore.output import Existing, Output, Planned, planned
from ddm_gui.engine.restore.photos import restore_photos, restore_planned
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import gaussian

PSF = PsfGrid(gaussian(9, 1.0)[None, None, None], 0.01)
PICTURE = dead_leaves(48, 40, np.random.default_rng(0))


def folder_of(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        write(Photo(PICTURE, 8), folder / name)
    return folder


def names_of(plan: tuple[Planned, ...]) -> list[str]:
    return [item.target.name for item in plan]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "in", "a.png", "b.png", "c.jpg")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """With a file of an earlier run."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"old")
    return folder


def test_a_plan_tells_names_and_what_is_there_and_writes_nothing(source: Path, output: Path) -> None:
    plan = planned([source], Output(output))
    assert plan == (
        Planned(source / "a.png", output / "a.png", there=True),
        Planned(source / "b.png", output / "b.png"),
        Planned(source / "c.jpg", output / "c.jpg"),
    )
    nowhere = output / "new" / "deep"
    assert names_of(planned([source], Output(nowhere, "{n}_{stem}", "tiff"))) == ["1_a.tif", "2_b.tif", "3_c.tif"]
    assert not nowhere.parent.exists()


def test_an_earlier_result_is_never_replaced_without_a_word(source: Path, output: Path) -> None:
    with pytest.raises(UserError, match="1 of 3 files are there already") as refused:
        next(restore_photos([source], Output(output), PSF))
    assert "a.png" in refused.value.what
    assert [path.name for path in output.iterdir()] == ["a.png"]
    assert (output / "a.png").read_bytes() == b"old"
    events = list(restore_photos([source], Output(output, existing=Existing.REPLACE), PSF))
    assert events[0] == Note("1 of 3 files are there already, and are replaced.")
    assert read(output / "a.png").pixels.shape == PICTURE.shape


def test_files_are_numbered_where_others_are(source: Path, output: Path) -> None:
    (output / "A_2.PNG").write_bytes(b"also old")
    numbered = Output(output, existing=Existing.NUMBER)
    plan = planned([source], numbered)
    assert names_of(plan) == ["a_3.png", "b.png", "c.jpg"]
    assert [item.there for item in plan] == [True, False, False]
    assert sum(isinstance(event, PhotoRestored) for event in restore_planned(plan, numbered, PSF)) == 3
    assert (output / "a.png").read_bytes() == b"old"
    assert names_of(planned([source], numbered)) == ["a_4.png", "b_2.png", "c_2.jpg"]


@pytest.mark.parametrize("existing", [Existing.REFUSE, Existing.NUMBER])
def test_what_comes_meanwhile_is_not_replaced(source: Path, tmp_path: Path, existing: Existing) -> None:
    output = Output(tmp_path / "out", existing=existing)
    run = restore_photos([source / "a.png"], output, PSF)
    next(run)
    (tmp_path / "out" / "a.png").write_bytes(b"of another program")
    left_out = [event for event in run if isinstance(event, PhotoSkipped)]
    assert "has come meanwhile" in left_out[0].reason
    assert (tmp_path / "out" / "a.png").read_bytes() == b"of another program"


def test_by_another_name_restored_photos_may_lie_beside_their_originals(source: Path) -> None:
    before = {path: path.read_bytes() for path in source.iterdir()}
    with pytest.raises(UserError, match="never overwritten"):
        planned([source], Output(source))
    list(restore_photos([source], Output(source, "{stem} sharp"), PSF))
    assert sorted(path.name for path in source.iterdir() if path not in before) == [
        "a sharp.png",
        "b sharp.png",
        "c sharp.jpg",
    ]
    with pytest.raises(UserError, match="never overwritten"):  # now they are among the photos
        planned(sorted(before), Output(source, "{stem} sharp", existing=Existing.REPLACE))
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"file_format": "jpeg", "depth": 16},
            "JPEG is not written with 16 bits. It holds 8 bits. Choose PNG or TIFF.",
        ),
        ({"file_format": "png", "depth": FLOAT}, "PNG is not written with floats. It holds 8 bits or 16 bits."),
        ({"quality": 101}, "quality cannot be 101"),
        ({"name": "{title}"}, "no field {title}"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(tmp_path: Path, wrong: dict, said: str) -> None:
    with pytest.raises(UserError) as refused:
        Output(tmp_path, **wrong)
    assert said in str(refused.value)


def test_a_depth_that_one_of_the_formats_does_not_hold_is_said_for_its_photos(source: Path, tmp_path: Path) -> None:
    events = list(restore_photos([source], Output(tmp_path / "out", depth=16), PSF))
    left_out = [event for event in events if isinstance(event, PhotoSkipped)]
    assert [(Path(event.path).name, event.reason) for event in left_out] == [
        ("c.jpg", "JPEG is not written with 16 bits. It holds 8 bits. Choose PNG or TIFF.")
    ]
    assert read(tmp_path / "out" / "a.png").depth == 16


@pytest.fixture
def unworked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No photo is restored."""

    def worked(*_: object, **__: object) -> None:
        raise AssertionError("a photo was restored in vain")

    monkeypatch.setattr(restore_module, "restoring", worked)


@pytest.mark.usefixtures("unworked")
@pytest.mark.parametrize(
    ("photo", "name", "output", "said"),
    [
        (
            Photo(PICTURE, 8, alpha=np.eye(48, 40, dtype=np.uint8)),
            "a.png",
            {"file_format": "jpeg"},
            "a.jpg would lose its transparency. The photo is transparent in places, and JPEG never is. "
            "Choose PNG or TIFF.",
        ),
        (
            Photo(PICTURE, FLOAT),
            "a.tif",
            {"file_format": "png"},
            "a.png would lose part of its values. The photo's values are floats, and those of PNG whole numbers. "
            "Choose TIFF, or a depth of 16 bits.",
        ),
        (
            Photo(PICTURE, 8),
            "a.jpg",
            {"depth": 16},
            "JPEG is not written with 16 bits. It holds 8 bits. Choose PNG or TIFF.",
        ),
    ],
    ids=["transparent", "floats", "depth"],
)
def test_what_a_file_cannot_hold_is_said_before_the_photo_is_restored(
    tmp_path: Path, photo: Photo, name: str, output: dict, said: str
) -> None:
    (tmp_path / "in").mkdir()
    write(photo, tmp_path / "in" / name)
    events = list(restore_photos([tmp_path / "in"], Output(tmp_path / "out", **output), PSF))
    assert [event.reason for event in events if isinstance(event, PhotoSkipped)] == [said]


@pytest.mark.usefixtures("unworked")
def test_a_disk_without_room_is_said_before_the_photo_is_restored(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = PICTURE.size * 2
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    to_write = Output(tmp_path / "out", file_format="tiff", depth=16)
    events = list(restore_photos([source / "a.png"], to_write, PSF))
    (left_out,) = (event.reason for event in events if isinstance(event, PhotoSkipped))
    assert "a.tif cannot be written. It needs" in left_out
    assert "are free on the disk. Make room" in left_out


def test_a_folder_that_cannot_be_looked_at_ends_in_a_sentence(
    source: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(UserError, match="cannot be looked at"):
        planned([source / "a.png"], Output(output))
