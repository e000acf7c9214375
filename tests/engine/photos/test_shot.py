"""How photos were taken: from the EXIF of each kind of file, of RAW's previews and of CR3; odd values are not known."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL.TiffImagePlugin import IFDRational

from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import Photo, write
from ddm_gui.engine.photos.shot import Group, Shot, Taken, grouped, in_one_line, read_shot, read_taken

D750 = {271: "NIKON CORPORATION", 272: "NIKON D750"}
LENS = {33437: 5.6, 37386: 50.0, 42036: "50mm f/1.8"}
TAKEN = Shot("NIKON CORPORATION", "NIKON D750", "50mm f/1.8", 5.6, 50.0)


def save(path: Path, main: dict[int, Any], details: dict[int, Any], size: tuple[int, int] = (20, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = main | ({exif.EXIF_DIRECTORY: details} if details else {})
    write(Photo(np.full((*size, 3), 0.5), 8, metadata=Metadata(exif.to_bytes(tags) if tags else None)), path)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_the_exif_of_each_kind_of_file(tmp_path: Path, suffix: str) -> None:
    assert read_shot(save(tmp_path / f"a{suffix}", D750, LENS)) == TAKEN
    assert read_shot(save(tmp_path / f"b{suffix}", {}, {})) == Shot()


def test_of_raw_the_entries_where_tiff_has_them(tmp_path: Path) -> None:
    tags = [(271, "s", 0, "Maker\0junk", True), (272, "s", 0, "Model 5", True), (50706, "B", 4, (1, 4, 0, 0), True)]
    mosaic = np.full((64, 64), 9000, np.uint16)
    tifffile.imwrite(tmp_path / "a.dng", mosaic, photometric=32803, metadata=None, extratags=tags)
    assert read_shot(tmp_path / "a.dng") == Shot(make="Maker", model="Model 5")


@pytest.mark.parametrize(
    "odd",
    [
        {33437: IFDRational(0, 1), 37386: IFDRational(50, 0), 42036: "----"},
        {33437: IFDRational(0, 0), 37386: (IFDRational(50, 1), IFDRational(70, 1)), 42036: "\0\0\0"},
        {33437: "f/5.6", 37386: "nan", 42036: b"\xff\xfe\0"},
        {33437: IFDRational(1, 0), 37378: IFDRational(4_000_000, 1), 42036: "x" * 5000},
    ],
)
def test_odd_values_are_not_known(tmp_path: Path, odd: dict[int, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [{271: "\0", 272: 7, exif.EXIF_DIRECTORY: odd}, {exif.EXIF_DIRECTORY: None}]
    monkeypatch.setattr("ddm_gui.engine.photos.shot.read_entries", lambda path: entries)
    assert read_shot(tmp_path / "a.jpg") == Shot()


def test_what_one_place_does_not_tell_another_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, preview = {**D750, exif.EXIF_DIRECTORY: {37386: 50.0}}, {272: "D750", exif.EXIF_DIRECTORY: LENS}
    monkeypatch.setattr("ddm_gui.engine.photos.shot.read_entries", lambda path: [own, preview])
    assert read_shot(tmp_path / "a.nef") == TAKEN


def test_the_aperture_value_where_there_is_no_f_number(tmp_path: Path) -> None:
    assert read_shot(save(tmp_path / "a.jpg", {}, {37378: 5.0})).aperture == 5.657


@pytest.mark.parametrize(
    ("told", "day"),
    [
        ({36867: "2026:01:31 23:59:59", 36868: "2026:02:01 00:00:00"}, "2026-01-31"),
        ({36867: "    :  :     :  :  ", 36868: "2026:02:01 00:00:00"}, "2026-02-01"),
        ({36867: "2026-01-31T12:00:00"}, "2026-01-31"),
        ({36867: "2026:02:30 12:00:00"}, None),
        ({36867: "0000:00:00 00:00:00"}, None),
        ({36867: "20260:01:31"}, None),
    ],
)
def test_the_day(tmp_path: Path, told: dict[int, Any], day: str | None) -> None:
    assert read_shot(save(tmp_path / "a.jpg", {}, told)).day == day


def test_damaged_files_are_not_known(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.jpg", D750, LENS).read_bytes()
    start = whole.index(b"Exif\0\0")
    random = np.random.default_rng(0)
    for index in range(60):
        damaged = bytearray(whole)
        for place in random.integers(start + 6, start + 200, 8):
            damaged[place] = random.integers(256)
        (tmp_path / f"{index}.jpg").write_bytes(damaged)
        read_shot(tmp_path / f"{index}.jpg")
    for name, content in (("cut.jpg", whole[: start + 40]), ("text.cr2", b"text"), ("empty.nef", b"")):
        (tmp_path / name).write_bytes(content)
        assert read_shot(tmp_path / name) == Shot()
    assert read_shot(tmp_path / "missing.jpg") == Shot()


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("Canon", "EOS 6D", "Canon EOS 6D"),
        ("EASTMAN KODAK COMPANY", "KODAK DC290", "KODAK DC290"),
        ("SONY", "ILCE-7M3", "SONY ILCE-7M3"),
        (None, "ILCE-7M3", "ILCE-7M3"),
        ("Jolla", None, "Jolla"),
        (None, None, None),
    ],
)
def test_the_camera_says_its_make_once(make: str | None, model: str | None, camera: str | None) -> None:
    assert Shot(make, model).camera == camera


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def test_the_boxes_of_cr3(tmp_path: Path) -> None:
    main, details = exif.to_bytes(D750), exif.to_bytes(LENS)
    canon = box(b"uuid", exif.CANON + box(b"CNCV", b"x" * 30) + box(b"CMT1", main) + box(b"CMT2", details))
    whole = box(b"ftyp", b"crx \0\0\0\1") + box(b"moov", canon + box(b"mvhd", b"x")) + box(b"mdat", b"x" * 100)
    path = tmp_path / "a.cr3"
    path.write_bytes(whole)
    assert read_shot(path) == TAKEN
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        read_shot(path)


# Many of them


@pytest.fixture
def taken(tmp_path: Path) -> list[Taken]:
    for index, aperture in enumerate((5.6, 16.0, 5.599, 16.0, 16.0)):
        save(tmp_path / f"{index}.jpg", D750, LENS | {33437: aperture})
    save(tmp_path / "scan.png", {}, {}, (10, 12))
    (tmp_path / "bad.png").write_bytes(b"no photo")
    return read_taken(sorted(tmp_path.iterdir()))


def test_photos_in_groups(taken: list[Taken]) -> None:
    groups = grouped(taken)
    assert {group: len(members) for group, members in groups.items()} == {
        Group("NIKON D750", "50mm f/1.8", "f/16", "30 x 20"): 3,
        Group("NIKON D750", "50mm f/1.8", "f/5.6", "30 x 20"): 2,
        Group(None, None, "unknown aperture", "12 x 10"): 1,
    }
    assert [str(group) for group in groups][1:] == [
        "NIKON D750, 50mm f/1.8, f/5.6, 30 x 20",
        "unknown camera, unknown lens, unknown aperture, 12 x 10",
    ]


def test_one_line_tells_what_differs(taken: list[Taken]) -> None:
    assert in_one_line(taken[:5]) == "30 x 20, NIKON D750, 50mm f/1.8, f/5.6 (2), f/16 (3)"
    assert in_one_line(taken[4:]) == (
        "30 x 20 (1), 12 x 10 (1), NIKON D750 (1), unknown camera (1), 50mm f/1.8 (1), unknown lens (1), "
        "f/16 (1), unknown aperture (1)"
    )
    assert in_one_line(taken[5:]) == "12 x 10"
    assert in_one_line([]) == ""


def test_where_much_differs_the_line_stays_short(taken: list[Taken]) -> None:
    shots = [Shot(model=model) for model in "AABBBCD"] + [Shot(aperture=float(number)) for number in range(2, 9)]
    many = [Taken(taken[0].path, taken[0].header, shot) for shot in shots]
    assert in_one_line(many) == "30 x 20, 4 cameras, f/2 to f/8 (7 apertures), unknown aperture (7)"
    assert in_one_line(many[7:]) == "30 x 20, f/2 to f/8 (7 apertures)"


# Real ones


def test_real_raw_files(shared_data: Path) -> None:
    shots = {path.name: read_shot(path) for path in (shared_data / "raw").iterdir()}
    canon = Shot("Canon", "Canon EOS 6D", "EF24-105mm f/4L IS USM", 5.6, 65.0, "2019-06-06")
    assert shots["canon_eos_6d_linear.dng"] == canon
    assert shots["canon_s40_0117.crw"] == Shot("Canon", "PowerShot S40", None, 2.798, 7.094)  # by LibRaw's preview
    assert shots["blackmagic.dng"] == Shot()


def test_headers_of_raw_files_of_other_makes(shared_data: Path) -> None:
    stubs = {path.name: read_shot(path) for path in (shared_data / "hard" / "raw_stub").iterdir()}
    canon = Shot("Canon", "Canon EOS M50", "EF-M15-45mm f/3.5-6.3 IS STM", 3.5, 15.0, "2018-02-21")
    assert stubs["CanonRaw.cr3"] == canon
    assert stubs["FujiFilm.raf"].camera == "Fujifilm S5Pro"
    assert stubs["Panasonic.rw2"].aperture == 4.0


def test_no_hostile_file_is_an_error(shared_data: Path) -> None:
    files = [path for path in (shared_data / "hard").rglob("*") if path.is_file()]
    assert files
    for path in files:
        read_shot(path)
