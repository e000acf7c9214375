"""Which files are photos: found by name, known by how they begin; and what the files made of them are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo_files import find_photos, kind_of, suffix_for, targets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder whose name is not ASCII."""
    made = tmp_path / "zdjęcia Großer 写真"
    made.mkdir()
    return made


def test_finds_by_extension_in_any_case_and_leaves_the_rest(folder: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "c.TiF", "d.CR2", "f.FITS", ".hidden.png", "notes.txt", "a.xmp", "e.dng"):
        (folder / name).write_bytes(b"x")
    (folder / "inner").mkdir()
    (folder / "inner" / "z.png").write_bytes(b"x")
    (folder / "folder.png").mkdir()
    names = ["a.jpeg", "b.PNG", "c.TiF", "d.CR2", "e.dng", "f.FITS"]
    assert [path.name for path in find_photos([folder])] == names
    assert [path.name for path in find_photos([folder / "b.PNG", folder])] == names
    assert [path.name for path in find_photos([folder / "a.xmp", folder / "inner"])] == ["z.png"]


def test_what_holds_no_photo_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="There is no photo in"):
        find_photos([folder])
    with pytest.raises(UserError, match="does not exist"):
        find_photos([folder / "nowhere"])
    with pytest.raises(UserError, match="no photo among"):
        find_photos([])
    (folder / "a.txt").write_bytes(b"x")
    with pytest.raises(UserError, match="no photo among"):
        find_photos([folder / "a.txt"])


def test_suffixes() -> None:
    names = {"a.PNG": ".png", "a.jpeg": ".jpeg", "a.JPG": ".JPG", "a.tiff": ".tif", "a.CR2": ".tif"}
    assert {name: suffix_for(Path(name), "same") for name in names} == names
    assert [suffix_for(Path("a.cr2"), name) for name in ("png", "jpeg", "tiff", "tiff16")] == [
        ".png",
        ".jpg",
        ".tif",
        ".tif",
    ]


def test_targets_are_never_two_alike_even_without_regard_to_case() -> None:
    sources = [Path(name) for name in ("a.png", "a.JPG", "A.tif", "a_2.png", "b.cr2")]
    names = [path.name for path in targets(sources, Path("out"), "png")]
    assert names == ["a.png", "a_3.png", "A_4.png", "a_2.png", "b.png"]
    assert targets(sources[-1:], Path("out"), "tiff16") == [Path("out") / "b.tif"]


@pytest.mark.parametrize(
    ("name", "beginning", "word"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n", "PNG"),
        ("a.JPG", b"\xff\xd8\xff\xe0", "JPEG"),
        ("a.tif", b"MM\0*", "TIFF"),
        ("a.fit", b"SIMPLE  =", "FITS"),
        ("a.nef", b"II*\0", "RAW"),
        ("a.raf", b"FUJIFILM", "RAW"),
    ],
)
def test_kinds(folder: Path, name: str, beginning: bytes, word: str) -> None:
    (folder / name).write_bytes(beginning + bytes(20))
    assert kind_of(folder / name) == word


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.png", b"GIF89a", "It is a GIF file by its content"),
        ("a.dng", b"\xff\xd8\xff\xe0", "It is a JPEG file by its content"),
        ("a.tif", b"", "empty"),
        ("a.gif", b"GIF89a", "not a kind of photo"),
    ],
)
def test_what_is_of_no_kind(folder: Path, name: str, content: bytes, why: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot be read") as caught:
        kind_of(folder / name)
    assert name in caught.value.what
    assert why in caught.value.why
