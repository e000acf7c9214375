"""JPEG: every segment of metadata carried over; what is too long for one is cut with a word."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif, ifd, jpeg, photoshop
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata

SMOOTH = np.linspace(0, 255, 24 * 32 * 3).reshape(24, 32, 3).astype(np.uint8)
EXIF = exif.to_bytes({exif.ORIENTATION: 6, 271: "Maker", exif.EXIF_DIRECTORY: {36867: "2026:01:02 03:04:05"}})


def written(path: Path, about: Metadata) -> list[str]:
    content, missing = jpeg.encode(Decoded(SMOOTH, None, about), 95)
    path.write_bytes(content)
    return missing


def test_all_segments_are_carried_over(tmp_path: Path) -> None:
    long = bytes(range(256)) * 700  # a profile of several segments
    own = (("E1", b"http://ns.adobe.com/xmp/extension/\0more"), ("EC", b"Ducky\0x"), ("FE", b"a comment"))
    resources = photoshop.of_iptc(b"\x1c\x02\x50\0\x02me")
    about = Metadata(EXIF, long, b"<x:xmpmeta/>", resources, (300.0, 300.0), "JPEG", own)
    assert written(tmp_path / "a.jpg", about) == []
    assert jpeg.decode(tmp_path / "a.jpg").metadata == about
    assert jpeg.metadata(tmp_path / "a.jpg") == about
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["icc_profile"] == long
        assert image.info["dpi"] == (300, 300)
        assert image.info["comment"] == b"a comment"
        assert image.getexif()[271] == "Maker"
        assert image.info["xmp"] == b"<x:xmpmeta/>"
        assert np.abs(np.asarray(image).astype(int) - SMOOTH).max() < 6


@pytest.mark.parametrize("dpi", [(72.0, 72.0), (300.0, 150.0), (118 * 2.54, 118 * 2.54)])
def test_resolution_in_inches_or_centimetres(tmp_path: Path, dpi: tuple[float, float]) -> None:
    written(tmp_path / "a.jpg", Metadata(dpi=dpi))
    assert jpeg.metadata(tmp_path / "a.jpg").dpi == pytest.approx(dpi)


def test_long_exif_loses_thumbnail_and_maker_note_first(tmp_path: Path) -> None:
    structure = ifd.parse(EXIF)
    inner = structure.first.inside(ifd.EXIF).with_entries([ifd.Entry(37500, 7, 70_000, bytes(70_000))])
    first = structure.first.with_entries([ifd.Entry(ifd.EXIF, 4, 1, directories=(inner,))])
    missing = written(tmp_path / "a.jpg", Metadata(ifd.write(structure.with_first(first))))
    assert missing == ["thumbnail and maker note: EXIF is longer than JPEG allows"]
    assert exif.entries(jpeg.metadata(tmp_path / "a.jpg").exif or b"") == exif.entries(EXIF)


def test_a_further_picture_is_left_out_with_a_word(tmp_path: Path) -> None:
    written(tmp_path / "a.jpg", Metadata(kind="JPEG", own=(("E2", b"MPF\0II*\0"),)))
    about = jpeg.decode(tmp_path / "a.jpg").metadata
    assert about.own == ()
    assert "further pictures" in about.left_out[0]


def test_grey_and_cmyk(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH).convert("L").save(tmp_path / "g.jpg")
    assert jpeg.layout(tmp_path / "g.jpg") == Layout(32, 24, 1, False, 8)
    assert jpeg.decode(tmp_path / "g.jpg").values.shape == (24, 32, 1)
    Image.new("CMYK", (9, 9)).save(tmp_path / "c.jpg")
    with pytest.raises(UserError, match="CMYK"):
        jpeg.layout(tmp_path / "c.jpg")


def test_a_profile_of_pillows_is_found(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = io.BytesIO()
    Image.fromarray(SMOOTH).save(content, "JPEG", icc_profile=profile, comment=b"hello", exif=b"Exif\0\0" + EXIF)
    (tmp_path / "a.jpg").write_bytes(content.getvalue())
    about = jpeg.metadata(tmp_path / "a.jpg")
    assert (about.icc, about.exif, about.own) == (profile, EXIF, (("FE", b"hello"),))
