"""Many photos into a folder: one file each and nothing else, never over an original, bad ones left out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddm_gui.cli import main
from ddm_gui.cli.exit_codes import DONE
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoRestored, PhotoSkipped
from ddm_gui.engine.photos.photo import Photo, in_light, read, write
from ddm_gui.engine.restore import photos
from ddm_gui.engine.restore.photos import RestoreReport, restore_photos
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.restore.recipe import Recipe, Restored, restore_photo
from ddm_gui.engine.restore.restorer import Blurred, Pixels, Steps
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import gaussian
from ddm_gui.gui.runs import Export

from ...conftest import write_dng

PSF = PsfGrid(gaussian(9, 1.0)[None, None, None], 0.01)
PICTURE = dead_leaves(48, 40, np.random.default_rng(0))


def pulled(run: Generator[Event, None, RestoreReport]) -> tuple[list[Event], RestoreReport]:
    events = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as end:
            return events, end.value


def folder_of(folder: Path, *names: str, depth: int = 8) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        write(Photo(PICTURE, depth), folder / name)
    return folder


def test_one_file_for_each_photo_and_nothing_else(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.jpg")
    folder_of(source, "c.tif", depth=16)
    output = tmp_path / "new" / "out"
    events, report = pulled(restore_photos([source], output, PSF))
    assert sorted(path.name for path in output.iterdir()) == ["a.png", "b.jpg", "c.tif"]
    assert report == RestoreReport(tuple(output / name for name in ("a.png", "b.jpg", "c.tif")), ())
    second = events[1]
    assert isinstance(second, PhotoRestored)
    assert replace(second, residual=None, warning="", receipt=None) == PhotoRestored(
        str(source / "b.jpg"), str(output / "b.jpg"), 2, 3
    )
    assert second.residual is not None
    assert str(second.receipt) == "8-bit"
    assert read(output / "c.tif").depth == 16
    expected = restore_photo(read(source / "a.png"), PSF).pixels
    np.testing.assert_allclose(read(output / "a.png").pixels, expected, atol=0.51 / 255)


def test_a_bad_file_is_left_out_with_its_reason(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "c.png")
    (source / "b.png").write_bytes(b"no photo")
    events, report = pulled(restore_photos([source], tmp_path / "out", PSF))
    assert [type(event) for event in events] == [PhotoRestored, PhotoSkipped, PhotoRestored]
    assert [path.name for path, _ in report.skipped] == ["b.png"]
    assert "b.png" in report.skipped[0][1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_grey_photo_under_a_colour_kernel_is_left_out(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    write(Photo(PICTURE[..., :1], 8), source / "grey.png")
    colour = PsfGrid(np.repeat(PSF.kernels, 3, axis=2))
    _, report = pulled(restore_photos([source], tmp_path / "out", colour))
    assert [path.name for path in report.written] == ["a.png"]
    assert "colour" in report.skipped[0][1]


def test_never_over_an_original(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    for inputs in ([source], [source / "a.png"]):
        with pytest.raises(UserError, match="there already"):
            next(restore_photos(inputs, source, PSF))
    (source / "a.jpg").write_bytes(b"somebody's")
    with pytest.raises(UserError, match="never overwritten"):
        next(restore_photos([source / "b.png", source / "a.png"], tmp_path / "in" / "." / "", PSF, "jpeg"))
    (source / "a.jpg").unlink()
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_an_original_is_known_behind_a_link(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    (tmp_path / "link").symlink_to(source, target_is_directory=True)
    with pytest.raises(UserError, match="never overwritten"):
        next(restore_photos([source], tmp_path / "link", PSF))


def test_links_in_a_circle_end_in_a_sentence(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    (source / "b.png").symlink_to(source / "b.png")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for output in (tmp_path / "loop", tmp_path / "loop" / "inside"):
        with pytest.raises(UserError, match="cannot be written"):
            next(restore_photos([source], output, PSF))
    _, report = pulled(restore_photos([source], tmp_path / "out", PSF))
    assert [path.name for path in report.written] == ["a.png"]


def test_a_folder_that_vanishes_on_the_way_ends_in_sentences(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png", "c.png")
    run = restore_photos([source], tmp_path / "out", PSF)
    assert isinstance(next(run), PhotoRestored)
    shutil.rmtree(tmp_path / "out")
    written = next(run)
    assert isinstance(written, PhotoSkipped)
    assert "b.png cannot be written" in written.reason
    shutil.rmtree(source)
    read_again = next(run)
    assert isinstance(read_again, PhotoSkipped)
    assert "does not exist" in read_again.reason


def test_an_earlier_result_is_replaced(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    output = folder_of(tmp_path / "out")
    (output / "a.png").write_bytes(b"old")
    _, report = pulled(restore_photos([source], output, PSF))
    assert report.written == (output / "a.png",)
    assert read(output / "a.png").pixels.shape == PICTURE.shape


def test_photos_of_one_name_get_files_of_their_own(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "a.jpg", "a_2.png")
    other = folder_of(tmp_path / "other", "A.png")
    _, report = pulled(restore_photos([source, other], tmp_path / "out", PSF, "png"))
    names = [path.name.casefold() for path in report.written]
    assert len(set(names)) == 4
    assert {"a.png", "a_2.png"} < set(names)
    assert dict(zip([path.name for path in report.written], names, strict=True)).get("a_2.png") == "a_2.png"


def test_sixteen_bits_as_png_stay_sixteen(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.tif", depth=16)
    _, report = pulled(restore_photos([source], tmp_path / "out", PSF, "png"))
    assert read(report.written[0]).depth == 16


def test_a_kernel_of_linear_light_restores_raw_in_linear_light_and_writes_it_as_it_is_displayed(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.jpg")
    mosaic = np.full((64, 96), 400, np.uint16)
    mosaic[:, 48:] = 60000  # an edge: what comes of it differs between the lights
    write_dng(source / "c.dng", mosaic)
    linear = replace(PSF, light="linear")
    _, report = pulled(restore_photos([source], tmp_path / "out", linear))
    assert [path.name for path in report.written] == ["c.tif"]
    assert [path.name for path, reason in report.skipped if "linear light" in reason] == ["a.png", "b.jpg"]
    written = read(report.written[0])
    expected = in_light(restore_photo(read(source / "c.dng", "linear"), linear), "display").pixels
    assert written.depth == 16
    np.testing.assert_allclose(written.pixels, expected, atol=0.51 / 65535)
    even = read(source / "c.dng").pixels[28:36, 70:78]  # farther from edges than the filter reaches
    np.testing.assert_allclose(written.pixels[28:36, 70:78], even, atol=0.002)
    other = restore_photo(read(source / "c.dng"), PSF).pixels
    assert np.abs(other - written.pixels).max() > 0.02


def test_closing_leaves_whole_files_only(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png")
    run = restore_photos([source], tmp_path / "out", PSF)
    next(run)
    run.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
    assert read(tmp_path / "out" / "a.png").pixels.shape == PICTURE.shape


def test_only_what_is_missing_or_not_whole_is_restored(tmp_path: Path) -> None:
    source, output = folder_of(tmp_path / "in", "a.png", "c.png", "d.png"), tmp_path / "out"
    (source / "b.png").write_bytes(b"no photo")
    pulled(restore_photos([source], output, PSF))
    for hours, folder in ((2, source), (1, output)):
        for path in folder.iterdir():
            os.utime(path, ns=(path.stat().st_mtime_ns - hours * 3600 * 10**9,) * 2)
    before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    (output / "c.png").write_bytes((output / "c.png").read_bytes()[:-200])
    os.utime(source / "d.png")
    folder_of(source, "b.png")
    events, report = pulled(restore_photos([source], output, PSF, only_missing=True))
    assert isinstance(events[0], Note)
    assert "1 of 4" in events[0].text
    assert [path.name for path in report.written] == ["b.png", "c.png", "d.png"]
    assert [(event.done, event.total) for event in events if isinstance(event, PhotoRestored)] == [
        (1, 3),
        (2, 3),
        (3, 3),
    ]
    assert (output / "a.png").stat().st_mtime_ns == before["a.png"]
    events, report = pulled(restore_photos([source], output, PSF, only_missing=True))
    assert len(events) == 1
    assert report.written == ()


def test_a_photo_too_large_for_memory_is_left_out_and_the_rest_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png")
    write(Photo(np.tile(PICTURE, (3, 3, 1)), 8), source / "large.png")
    real = photos.restore

    def limited(photo: Photo, *arguments: Any, **named: Any) -> Restored:
        if photo.pixels.size > PICTURE.size:
            raise MemoryError
        return real(photo, *arguments, **named)

    monkeypatch.setattr(photos, "restore", limited)
    _, report = pulled(restore_photos([source], tmp_path / "out", PSF))
    assert [path.name for path in report.written] == ["a.png", "b.png"]
    assert "more memory than there is" in report.skipped[0][1]


def test_singly_in_a_batch_by_window_and_by_command_line_the_bytes_are_the_same(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.jpg")
    folder_of(source, "c.tif", depth=16)
    PSF.save(tmp_path / "psf.safetensors")
    pulled(restore_photos([source], tmp_path / "batch", PSF))
    for path in source.iterdir():
        pulled(restore_photos([path], tmp_path / "singly", PSF))
    pulled(Export(tuple(sorted(source.iterdir())), tmp_path / "window", PSF, "same", 95, Recipe(), "cpu")())
    words = ["restore", "--psf", str(tmp_path / "psf.safetensors"), "--input", str(source), "--json"]
    assert main([*words, "--device", "cpu", "--output", str(tmp_path / "typed")]) == DONE
    for name in ("a.png", "b.jpg", "c.tif"):
        made = {folder: (tmp_path / folder / name).read_bytes() for folder in ("batch", "singly", "window", "typed")}
        assert len(set(made.values())) == 1, name


@pytest.mark.parametrize(
    ("ruin", "reason"), [(np.nan, "no numbers"), (0.5, "one even area"), (None, "colour has moved")]
)
def test_a_ruined_picture_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ruin: float | None, reason: str
) -> None:
    source = folder_of(tmp_path / "in", "a.png")

    def ruined(self: Wiener, blurred: Blurred, plan: Plan) -> Steps[Pixels]:
        yield 0.0
        pixels = blurred.photo.pixels
        return pixels + np.float32(0.1) if ruin is None else np.full_like(pixels, ruin)

    monkeypatch.setattr(Wiener, "restoring", ruined)
    _, report = pulled(restore_photos([source], tmp_path / "out", PSF))
    assert reason in report.skipped[0][1]
    assert list((tmp_path / "out").iterdir()) == []


def test_what_cannot_start_says_so(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        next(restore_photos([source], tmp_path / "file", PSF))
