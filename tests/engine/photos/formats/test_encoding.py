"""Tone curves by what files say: profiles of every kind there and back, others refused with the reason."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif, icc
from ddm_gui.engine.photos.formats.encoding import tone_curves
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import Photo, check_light, in_light, read, write
from ddm_gui.engine.photos.tone_curve import SRGB, is_exact

STEPS = np.arange(65536) / 65535
SRGB_NUMBERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def para(function: int, *numbers: float) -> bytes:
    fixed = b"".join(struct.pack(">i", round(65536 * number)) for number in numbers)
    return b"para\0\0\0\0" + struct.pack(">HH", function, 0) + fixed


def curv(*entries: int) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">L{len(entries)}H", len(entries), *entries)


def profile(colours: bytes = b"RGB ", **tags: bytes) -> bytes:
    """A profile that holds these tags and no more."""
    table, content = b"", b""
    start = icc.HEADER + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sLL", name.encode(), start + len(content), len(data))
        content += data
    header = bytearray(icc.HEADER)
    header[16:20], header[36:40] = colours, b"acsp"
    return bytes(header) + struct.pack(">L", len(tags)) + table + content


def matrix(trc: bytes) -> bytes:
    return profile(rTRC=trc, gTRC=trc, bTRC=trc)


def sampled(power: float, count: int) -> bytes:
    return curv(*np.rint(65535 * np.linspace(0, 1, count) ** power).astype(int).tolist())


CURVES = {
    "gamma": (para(0, 2.2), lambda x: x**2.2),
    "linear": (curv(), lambda x: x),
    "Adobe RGB": (curv(563), lambda x: x ** (563 / 256)),
    "sRGB": (para(3, *SRGB_NUMBERS), lambda x: np.where(x < 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)),
    "offset": (para(4, 2.0, 0.9, 0.1, 1.0, 0.0, 0.0, 0.0), lambda x: (0.9 * x + 0.1) ** 2),
    "L*": (
        para(3, 3.0, 1 / 1.16, 0.16 / 1.16, 0.1107, 0.08),
        lambda x: np.where(x < 0.08, 0.1107 * x, ((x + 0.16) / 1.16) ** 3),
    ),
    "table of ProPhoto": (sampled(1.8, 4096), lambda x: x**1.8),
    "short table": (sampled(2.2, 256), lambda x: x**2.2),
}


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_those_of_the_profile_and_come_back(name: str) -> None:
    data, expected = CURVES[name]
    (curve,) = icc.curves(matrix(data))
    linear = curve.to_linear(STEPS)
    assert np.abs(linear - expected(STEPS)).max() < 1e-4
    assert np.abs(curve.to_display(linear.astype(np.float32).astype(float)) - STEPS).max() < 0.5 / 65535
    assert is_exact(curve, 16)


@pytest.mark.parametrize("depth", [8, 16, 32])
def test_photos_go_there_and_back(depth: int) -> None:
    trc = {"rTRC": para(0, 1.8), "gTRC": curv(563), "bTRC": sampled(2.2, 1024)}
    pixels = np.random.default_rng(0).uniform(-0.2 if depth == 32 else 0, 1, (20, 30, 3)).astype(np.float32)
    photo = Photo(pixels, depth, black=-0.5, white=3.0, metadata=Metadata(icc=profile(**trc), kind="TIFF"))
    if depth < 32:
        photo = Photo(pixels, depth, metadata=photo.metadata)
    linear = in_light(photo, "linear")
    assert linear.light == "linear"
    assert np.abs(in_light(linear, "display").pixels - pixels).max() < 0.5 / 65535
    assert np.abs(linear.pixels - pixels).max() > 0.05


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (profile(A2B0=b"mft2", **dict.fromkeys(("rTRC", "gTRC", "bTRC"), curv())), "by a table"),
        (profile(rTRC=curv()), "no tone curve"),
        (profile(b"CMYK"), "CMYK"),
        (b"broken", "damaged"),
        (matrix(curv())[:-4], "damaged"),
        (matrix(curv(0, 500, 400, 65535)), "falls"),
        (matrix(curv(0, 30000, *[65535] * 30)), "brightest"),
        (matrix(para(9)), "damaged"),
        (matrix(b"what is this"), "unknown type"),
    ],
)
def test_profiles_that_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        icc.curves(data)


def test_every_cut_of_a_profile_is_refused_or_a_curve() -> None:
    whole = matrix(sampled(2.2, 20))
    for kept in range(len(whole)):
        with pytest.raises(ValueError, match=r"profile|curve"):
            icc.curves(whole[:kept])


def test_a_curve_that_cannot_be_undone_is_refused() -> None:
    flat = matrix(para(2, 2.0, 1.0, -0.3, 0.0))
    with pytest.raises(ValueError, match="so flat in places"):
        tone_curves(Metadata(icc=flat, kind="TIFF"), 3, 8)
    grey = profile(b"GRAY", kTRC=curv(563))
    assert len(tone_curves(Metadata(icc=grey, kind="TIFF"), 1, 16)) == 1


def test_names() -> None:
    old = profile(desc=b"desc\0\0\0\0" + struct.pack(">L", 18) + b"Adobe RGB (1998)\0\0")
    text = "Display P3".encode("utf-16-be")
    new = profile(desc=b"mluc\0\0\0\0" + struct.pack(">LL4sLL", 1, 12, b"enUS", len(text), 28) + text)
    assert [icc.name(one) for one in (old, new, b"broken", profile())] == [
        "Adobe RGB (1998)",
        "Display P3",
        "a profile",
        "a profile",
    ]


def test_what_else_tells_the_curve() -> None:
    def curve_of(kind: str = "PNG", tags: bytes | None = None, **own: bytes) -> object:
        return tone_curves(Metadata(tags, kind=kind, own=tuple(own.items())), 3, 8)[0]

    half = np.array([0.5])
    assert curve_of(sRGB=b"\0") == SRGB
    assert curve_of(cICP=bytes((1, 13, 0, 1)), gAMA=bytes(4)) == SRGB
    assert curve_of(gAMA=struct.pack(">L", 50000)).to_linear(half) == pytest.approx(0.25)
    assert curve_of("JPEG", exif.to_bytes({exif.EXIF_DIRECTORY: {40961: 1}})) == SRGB
    dcf = exif.to_bytes({exif.EXIF_DIRECTORY: {40961: 65535, 40965: {1: "R03"}}})
    assert curve_of("JPEG", dcf).to_linear(half) == pytest.approx(0.5**2.19921875)
    assert curve_of("FITS").to_linear(half) == 0.5
    with pytest.raises(ValueError, match="number 16"):
        curve_of(cICP=bytes((9, 16, 0, 1)))
    with pytest.raises(ValueError, match="no colour profile"):
        curve_of("JPEG")


def test_files_in_linear_light_come_back(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 40, 3)) / 65535
    write(Photo(pixels, 16, metadata=Metadata(icc=matrix(curv(563)))), tmp_path / "a.tif")
    linear = read(tmp_path / "a.tif", "linear")
    assert np.abs(linear.pixels - pixels ** (563 / 256)).max() < 1e-5
    write(in_light(linear, "display"), tmp_path / "b.tif")
    assert np.array_equal(read(tmp_path / "b.tif").pixels, read(tmp_path / "a.tif").pixels)
    assert read(tmp_path / "b.tif").metadata.icc == matrix(curv(563))
    write(Photo(pixels, 16), tmp_path / "c.tif")
    with pytest.raises(UserError, match=r"c\.tif cannot be read in linear light"):
        check_light(tmp_path / "c.tif", "linear")


def test_profiles_of_pillow_and_of_real_wide_gamut_files(shared_data: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(icc.curves(srgb)[0].to_linear(STEPS) - SRGB.to_linear(STEPS)).max() < 1e-4
    found, refused = {}, {}
    for folder in ("icc_widegamut", "sharp"):
        for path in sorted((shared_data / "hard" / folder).glob("*.png")):
            try:
                photo = read(path)
                data = photo.metadata.icc
            except UserError:
                continue
            if data is None:
                continue
            steps = (1 << photo.depth) - 1
            try:
                back = in_light(in_light(photo, "linear"), "display").pixels
            except UserError as error:
                refused[path.name] = error.why
                continue
            assert np.abs(back - photo.pixels).max() * steps < 0.5, path
            found[icc.name(data)] = photo.depth
    assert len(found) >= 5
    assert refused == {}
