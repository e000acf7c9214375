"""Which photos are learned from, and how they are read: what a rule leaves out is named, and lenses are told once."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoSkipped
from ddm_gui.engine.photos import learning_photos
from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.learning_photos import Reading, chosen
from ddm_gui.engine.photos.photo import Photo, find_photos, read, write
from ddm_gui.engine.photos.shot import Shot
from ddm_gui.engine.settings import Settings

from ...conftest import write_dng


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos at f/5.6, f/16 and an aperture that is not known, and a RAW file without one."""
    inside = tmp_path / "photos"
    inside.mkdir()
    for name, aperture in (("a.jpg", 5.6), ("b.jpg", 16.0), ("c.jpg", None)):
        tags = exif.to_bytes({exif.EXIF_DIRECTORY: {33437: aperture}}) if aperture else None
        write(Photo(np.full((20, 20, 3), 0.5), 8, metadata=Metadata(tags)), inside / name)
    write_dng(inside / "d.dng", np.full((64, 64), 9000, np.uint16))
    return inside


def kept(run: Generator[Event, None, list[Path]]) -> tuple[list[str], dict[str, str]]:
    """The names that are kept, and those of the others with their reasons."""
    left: dict[str, str] = {}
    while True:
        try:
            event = next(run)
            assert isinstance(event, PhotoSkipped)
            left[Path(event.path).name] = event.reason
        except StopIteration as end:
            return [path.name for path in end.value], left


def test_each_side_by_its_own_aperture(folder: Path) -> None:
    photos = find_photos([folder])
    settings = Settings(clean_aperture="4-5.6", degraded_aperture="16")
    names, left = kept(chosen(photos, "clean", settings))
    assert names == ["a.jpg"]
    assert left["b.jpg"] == "It was taken at f/16, and f/4 to f/5.6 is asked for."
    assert left["c.jpg"] == "Its aperture is not known, and f/4 to f/5.6 is asked for."
    assert kept(chosen(photos, "degraded", settings))[0] == ["b.jpg"]
    assert kept(chosen(photos, "degraded", Settings())) == (["a.jpg", "b.jpg", "c.jpg", "d.dng"], {})


def test_linear_light_leaves_out_what_does_not_tell_its_curve(folder: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write(Photo(np.full((20, 20, 3), 0.5), 8, metadata=Metadata(icc=profile)), folder / "e.jpg")
    names, left = kept(chosen(find_photos([folder]), "clean", Settings(light="linear")))
    assert names == ["d.dng", "e.jpg"]
    assert sorted(left) == ["a.jpg", "b.jpg", "c.jpg"]
    assert left["a.jpg"] == (
        "It does not say by which tone curve it was saved: it has no colour profile. Linear light is asked for."
    )
    assert Reading(Settings(light="linear"))(folder / "e.jpg").pixels == pytest.approx(0.2159, abs=1e-3)
    with pytest.raises(UserError, match="None of the clean photos can be read in linear light"):
        kept(chosen([folder / "a.jpg"], "clean", Settings(light="linear")))


def test_what_one_sees_through_is_not_learned_from(tmp_path: Path) -> None:
    cover = np.full((20, 20), 255, np.uint8)
    write(Photo(np.full((20, 20, 3), 0.5), 8, alpha=cover), tmp_path / "a.png")
    assert Reading(Settings())(tmp_path / "a.png").pixels.shape == (20, 20, 3)
    cover[3, 3] = 9
    write(Photo(np.full((20, 20, 3), 0.5), 8, alpha=cover), tmp_path / "b.png")
    with pytest.raises(UserError, match="transparent"):
        Reading(Settings())(tmp_path / "b.png")


def test_photos_are_read_in_the_light_of_the_settings(folder: Path) -> None:
    assert Reading(Settings(light="linear"))(folder / "d.dng").light == "linear"
    assert np.array_equal(Reading(Settings())(folder / "d.dng").pixels, read(folder / "d.dng").pixels)


def test_vignetting_is_divided_out_of_raw_alone_and_told_once_per_lens(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_photos, "available", lambda: True)
    monkeypatch.setattr(learning_photos, "read_shot", lambda path: Shot(lens="EF 50mm"))
    monkeypatch.setattr(learning_photos, "divided_out", lambda photo, shot: photo.with_pixels(0.5 * photo.pixels))
    reading = Reading(Settings())
    assert np.array_equal(reading(folder / "a.jpg").pixels, read(folder / "a.jpg").pixels)
    assert list(reading.news()) == []
    for _ in range(2):
        assert np.array_equal(reading(folder / "d.dng").pixels, 0.5 * read(folder / "d.dng").pixels)
    assert list(reading.news()) == [Note("Vignetting of EF 50mm is divided out.")]
    reading(folder / "d.dng")
    assert list(reading.news()) == []
    off = Reading(Settings(vignetting=False))
    assert np.array_equal(off(folder / "d.dng").pixels, read(folder / "d.dng").pixels)
