"""What files are called: the fields of a template, what photos tell, and names that every system takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.naming import check_template, stems
from ddm_gui.engine.photos.photo import Photo, write
from ddm_gui.engine.photos.photo_files import targets


def save(path: Path, details: dict[int, Any]) -> Path:
    tags = exif.to_bytes({exif.EXIF_DIRECTORY: details})
    write(Photo(np.full((8, 9, 3), 0.5, np.float32), 8, metadata=Metadata(tags)), path)
    return path


def test_the_own_name_is_the_default_and_reads_no_file() -> None:
    odd = [Path(name) for name in ("a.png", "b .c.jpg", "wie: nie?.tif", "aux.png")]
    assert stems(odd) == ["a", "b .c", "wie: nie?", "aux"]


def test_fields_are_filled_in(tmp_path: Path) -> None:
    told = save(tmp_path / "a.png", {42036: "EF24-105mm f/4L: IS", 36867: "2026:01:31 12:00:00"})
    untold = save(tmp_path / "b.png", {42036: "----", 36867: "0000:00:00 00:00:00"})
    names = stems([told, untold], "{date} {lens} - {stem} ({n})")
    assert names == ["2026-01-31 EF24-105mm f-4L- IS - a (1)", "undated unknown lens - b (2)"]
    (tmp_path / "c.png").write_bytes(b"no photo")
    assert stems([tmp_path / "c.png"], "{lens}") == ["unknown lens"]


def test_numbers_have_the_digits_of_the_last() -> None:
    names = stems([Path(f"{index}.png") for index in range(120)], "{n}")
    assert (names[0], names[-1]) == ("001", "120")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", "no name"),
        ("  ", "no name"),
        (".{stem}", "hidden"),
        ("{stem", "brace"),
        ("stem}", "brace"),
        ("{Stem}", "{Stem}"),
        ("{}", "{}"),
        ("{n:03}", "{n:03}"),
        ("{stem!r}", "{stem!r}"),
        ("sharp/{stem}", "/"),
        ("{stem}?", "?"),
        ("a\nb", "cannot hold"),
    ],
)
def test_what_is_no_name_is_said_in_a_sentence(template: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        check_template(template)
    assert said in str(refused.value)
    with pytest.raises(UserError):
        stems([Path("a.png")], template)


def test_names_that_windows_keeps_for_itself_are_changed() -> None:
    assert stems([Path("a.png"), Path("b.png")], "COM{n}") == ["COM1_", "COM2_"]
    assert stems([Path("aux.png")], "{stem}") == ["aux"]  # it is called so already


def test_the_same_name_twice_gets_a_number() -> None:
    sources = [Path("a.png"), Path("b.png"), Path("c.jpg")]
    names = [path.name for path in targets(sources, Path("out"), "same", stems(sources, "sharp"))]
    assert names == ["sharp.png", "sharp_2.png", "sharp.jpg"]
    avoided = [path.name for path in targets(sources, Path("out"), "png", stems(sources, "sharp"), ["Sharp_2.png"])]
    assert avoided == ["sharp.png", "sharp_3.png", "sharp_4.png"]


def test_a_real_raw_photo_tells_its_lens_and_its_day(shared_data: Path) -> None:
    raw = shared_data / "raw" / "canon_eos_6d_linear.dng"
    assert stems([raw], "{date} {lens} {n}") == ["2019-06-06 EF24-105mm f-4L IS USM 1"]
