"""Many photos into a folder: one file each and nothing else, never over an original, bad ones left out."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest

from ddm_gui.cli import main
from ddm_gui.cli.exit_codes import DONE
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, PhotoKept, PhotoProgress, PhotoRestored, PhotoSkipped, PhotoStarted
from ddm_gui.engine.photos.photo import Photo, in_light, read, write
from ddm_gui.engine.restore import photos
from ddm_gui.engine.restore.output import Existing, Output, planned
from ddm_gui.engine.restore.photos import RestoreReport, restore_photos, restore_planned
from ddm_gui.engine.restore.plan import COPIES, PROGRAM, Budget, Plan
from ddm_gui.engine.restore.recipe import Recipe, Restored, bytes_needed, restore_photo
from ddm_gui.engine.restore.restorer import Blurred, Pixels, Steps
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import gaussian
from ddm_gui.gui.runs import Export

from ...conftest import write_dng

PSF = PsfGrid(gaussian(9, 1.0)[None, None, None], 0.01)
PICTURE = dead_leaves(48, 40, np.random.default_rng(0))
ONE_BY_ONE = Recipe(TotalVariation(turns=2))


def pulled(run: Generator[Event, None, RestoreReport]) -> tuple[list[Event], RestoreReport]:
    events = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as end:
            return events, end.value


def ends(events: list[Event]) -> list[Event]:
    """What came of each photo, without what came before."""
    return [event for event in events if isinstance(event, PhotoRestored | PhotoKept | PhotoSkipped)]


def folder_of(folder: Path, *names: str, depth: int = 8) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        write(Photo(PICTURE, depth), folder / name)
    return folder


def test_one_file_for_each_photo_and_nothing_else(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.jpg")
    folder_of(source, "c.tif", depth=16)
    output = tmp_path / "new" / "out"
    events, report = pulled(restore_photos([source], Output(output), PSF))
    assert sorted(path.name for path in output.iterdir()) == ["a.png", "b.jpg", "c.tif"]
    assert report == RestoreReport(tuple(output / name for name in ("a.png", "b.jpg", "c.tif")), ())
    assert sorted(event.source for event in events if isinstance(event, PhotoStarted)) == [
        str(source / name) for name in ("a.png", "b.jpg", "c.tif")
    ]
    assert [(event.done, event.total) for event in ends(events)] == [(1, 3), (2, 3), (3, 3)]
    (second,) = (event for event in ends(events) if event.source == str(source / "b.jpg"))
    assert isinstance(second, PhotoRestored)
    assert second.target == str(output / "b.jpg")
    assert second.residual is not None
    assert str(second.receipt) == "8-bit"
    shares = [event.share for event in events if isinstance(event, PhotoProgress) and event.source == second.source]
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    assert read(output / "c.tif").depth == 16
    expected = restore_photo(read(source / "a.png"), PSF).pixels
    np.testing.assert_allclose(read(output / "a.png").pixels, expected, atol=0.51 / 255)


def test_a_bad_file_is_left_out_with_its_reason(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "c.png")
    (source / "b.png").write_bytes(b"no photo")
    events, report = pulled(restore_photos([source], Output(tmp_path / "out"), PSF))
    assert sorted(type(event).__name__ for event in ends(events)) == ["PhotoRestored", "PhotoRestored", "PhotoSkipped"]
    assert max(event.done for event in events if isinstance(event, PhotoRestored)) in (2, 3)
    assert [path.name for path, _ in report.skipped] == ["b.png"]
    assert "b.png" in report.skipped[0][1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_a_grey_photo_under_a_colour_kernel_is_left_out(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    write(Photo(PICTURE[..., :1], 8), source / "grey.png")
    colour = PsfGrid(np.repeat(PSF.kernels, 3, axis=2))
    _, report = pulled(restore_photos([source], Output(tmp_path / "out"), colour))
    assert [path.name for path in report.written] == ["a.png"]
    assert "colour" in report.skipped[0][1]


def test_never_over_an_original(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    for inputs in ([source], [source / "a.png"]):
        with pytest.raises(UserError, match="there already"):
            next(restore_photos(inputs, Output(source), PSF))
    (source / "a.jpg").write_bytes(b"somebody's")
    with pytest.raises(UserError, match="never overwritten"):
        next(
            restore_photos([source / "b.png", source / "a.png"], Output(tmp_path / "in" / ".", file_format="jpeg"), PSF)
        )
    (source / "a.jpg").unlink()
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


def test_an_original_is_known_behind_a_link(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    (tmp_path / "link").symlink_to(source, target_is_directory=True)
    with pytest.raises(UserError, match="never overwritten"):
        next(restore_photos([source], Output(tmp_path / "link"), PSF))


def test_links_in_a_circle_end_in_a_sentence(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    (source / "b.png").symlink_to(source / "b.png")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for output in (tmp_path / "loop", tmp_path / "loop" / "inside"):
        with pytest.raises(UserError, match="cannot be written"):
            next(restore_photos([source], Output(output), PSF))
    _, report = pulled(restore_photos([source], Output(tmp_path / "out"), PSF))
    assert [path.name for path in report.written] == ["a.png"]


def test_a_folder_that_vanishes_on_the_way_ends_in_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png", "c.png")
    real = photos.restoring

    def restoring(photo: Photo, *arguments: Any, **named: Any) -> Steps[Restored]:
        if photo.source == source / "b.png":
            shutil.rmtree(tmp_path / "out")
            shutil.rmtree(source)
        return real(photo, *arguments, **named)

    monkeypatch.setattr(photos, "restoring", restoring)
    events, _ = pulled(restore_photos([source], Output(tmp_path / "out"), PSF, ONE_BY_ONE))
    first, written, read_again = ends(events)
    assert isinstance(first, PhotoRestored)
    assert isinstance(written, PhotoSkipped)
    assert "b.png cannot be written" in written.reason
    assert isinstance(read_again, PhotoSkipped)
    assert "does not exist" in read_again.reason


def test_photos_of_one_name_get_files_of_their_own(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "a.jpg", "a_2.png")
    other = folder_of(tmp_path / "other", "A.png")
    _, report = pulled(restore_photos([source, other], Output(tmp_path / "out", file_format="png"), PSF))
    names = [path.name.casefold() for path in report.written]
    assert len(set(names)) == 4
    assert {"a.png", "a_2.png"} < set(names)
    assert dict(zip([path.name for path in report.written], names, strict=True)).get("a_2.png") == "a_2.png"


def test_sixteen_bits_as_png_stay_sixteen(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.tif", depth=16)
    _, report = pulled(restore_photos([source], Output(tmp_path / "out", file_format="png"), PSF))
    assert read(report.written[0]).depth == 16


def test_a_kernel_of_linear_light_restores_raw_in_linear_light_and_writes_it_as_it_is_displayed(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.jpg")
    mosaic = np.full((64, 96), 400, np.uint16)
    mosaic[:, 48:] = 60000  # an edge: what comes of it differs between the lights
    write_dng(source / "c.dng", mosaic)
    linear = replace(PSF, light="linear")
    _, report = pulled(restore_photos([source], Output(tmp_path / "out"), linear))
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


def test_only_what_is_missing_or_not_whole_is_restored(tmp_path: Path) -> None:
    source, output = folder_of(tmp_path / "in", "a.png", "c.png", "d.png"), tmp_path / "out"
    (source / "b.png").write_bytes(b"no photo")
    pulled(restore_photos([source], Output(output), PSF))
    for hours, folder in ((2, source), (1, output)):
        for path in folder.iterdir():
            os.utime(path, ns=(path.stat().st_mtime_ns - hours * 3600 * 10**9,) * 2)
    before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    (output / "c.png").write_bytes((output / "c.png").read_bytes()[:-200])
    os.utime(source / "d.png")
    folder_of(source, "b.png")
    events, report = pulled(restore_photos([source], Output(output, existing=Existing.KEEP), PSF))
    assert [Path(event.target).name for event in events if isinstance(event, PhotoKept)] == ["a.png"]
    assert report.kept == (output / "a.png",)
    assert [path.name for path in report.written] == ["b.png", "c.png", "d.png"]
    assert [(event.done, event.total) for event in ends(events)] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (output / "a.png").stat().st_mtime_ns == before["a.png"]
    events, report = pulled(restore_photos([source], Output(output, existing=Existing.KEEP), PSF))
    assert len(report.kept) == len(ends(events)) == 4
    assert report.written == ()


def test_a_photo_too_large_for_memory_is_left_out_and_the_rest_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png")
    write(Photo(np.tile(PICTURE, (3, 3, 1)), 8), source / "large.png")
    real = photos.restoring

    def limited(photo: Photo, *arguments: Any, **named: Any) -> Steps[Restored]:
        if photo.pixels.size > PICTURE.size:
            raise MemoryError
        return real(photo, *arguments, **named)

    monkeypatch.setattr(photos, "restoring", limited)
    _, report = pulled(restore_photos([source], Output(tmp_path / "out"), PSF))
    assert [path.name for path in report.written] == ["a.png", "b.png"]
    assert "more memory than there is" in report.skipped[0][1]


def test_singly_in_a_batch_by_window_and_by_command_line_the_bytes_are_the_same(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.jpg")
    folder_of(source, "c.tif", depth=16)
    PSF.save(tmp_path / "psf.safetensors")
    pulled(restore_photos([source], Output(tmp_path / "batch"), PSF))
    for path in source.iterdir():
        pulled(restore_photos([path], Output(tmp_path / "singly"), PSF))
    window = Output(tmp_path / "window")
    pulled(Export(planned([source], window), window, PSF, Recipe(), "cpu", Budget())())
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
    _, report = pulled(restore_photos([source], Output(tmp_path / "out"), PSF))
    assert reason in report.skipped[0][1]
    assert list((tmp_path / "out").iterdir()) == []


def test_what_cannot_start_says_so(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        next(restore_photos([source], Output(tmp_path / "file"), PSF))


# Several at a time


class Crowd:
    """A Wiener filter that counts how many photos it has in hand, and how many rows these have together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
        self.rows: list[int] = []
        self.most = self.largest = 0
        self._lock = Lock()
        self._work = Wiener.restoring
        monkeypatch.setattr(Wiener, "photos_at_once", at_once)
        monkeypatch.setattr(Wiener, "restoring", lambda this, *arguments: self._counted(this, *arguments))

    def _counted(self, this: Wiener, blurred: Blurred, plan: Plan) -> Steps[Pixels]:
        rows = len(blurred.photo.pixels)
        with self._lock:
            self.rows.append(rows)
            self.most, self.largest = max(self.most, len(self.rows)), max(self.largest, sum(self.rows))
        try:
            time.sleep(0.05)  # others may come meanwhile
            return (yield from self._work(this, blurred, plan))
        finally:
            with self._lock:
                self.rows.remove(rows)


def test_as_many_photos_are_in_work_as_memory_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder_of(tmp_path / "in", *(f"{index}.png" for index in range(5)))
    write(Photo(np.tile(PICTURE, (2, 1, 1)), 8), source / "large.png")
    pulled(restore_photos([source], Output(tmp_path / "as usual"), PSF))
    free = 1e9 - PROGRAM
    monkeypatch.setattr(photos, "bytes_needed", lambda shape, *_: 0.45 * free * shape[0] / len(PICTURE))
    for rows, at_once in (
        (48, 1),
        (2 * 48, 2),
        (2 * 48, 3),
    ):  # of three small ones, or a small and the large one, 2 fit
        with monkeypatch.context() as patched:
            crowd = Crowd(patched, at_once)
            output = tmp_path / f"{at_once} at once"
            _, report = pulled(restore_photos([source], Output(output), PSF, budget=Budget(1.0)))
        assert len(report.written) == 6
        assert crowd.most == min(at_once, 2)
        assert crowd.largest == max(rows, 2 * 48)
        for path in output.iterdir():
            assert path.read_bytes() == (tmp_path / "as usual" / path.name).read_bytes()


def test_what_a_photo_is_counted_to_need_is_what_its_plan_says() -> None:
    shape = (4000, 6000, 3)
    usual, little = (bytes_needed(shape, PSF, Wiener(), "cpu", Budget(budget)) for budget in (16.0, 2.44))
    assert usual == 4.0 * COPIES * 4000 * 6000 * 3 + Wiener().bytes_of_tiles(PSF, 3, Wiener().usual_plan("cpu"))
    assert little < 2.44e9 - PROGRAM < usual
    with pytest.raises(UserError, match=r"needs 2\.4 GB"):
        bytes_needed(shape, PSF, Wiener(), "cpu", Budget(2.42))


def test_closed_with_several_in_work_it_leaves_whole_files_and_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder_of(tmp_path / "in", *(f"{index}.png" for index in range(8)))
    before = threading.active_count()
    for stop_at in (1, 2, 4, 7, 12):
        with monkeypatch.context() as patched:
            crowd = Crowd(patched, 3)
            output = tmp_path / str(stop_at)
            run = restore_photos([source], Output(output), PSF)
            events = [next(run) for _ in range(stop_at)]
            run.close()
            assert crowd.rows == []
        assert threading.active_count() == before
        found = {path.name for path in output.iterdir()}
        assert {Path(event.target).name for event in events if isinstance(event, PhotoRestored)} <= found
        assert len(found) < 8
        for name in found:  # nothing that is half written, and nothing beside it
            assert read(output / name).pixels.shape == PICTURE.shape
    _, report = pulled(restore_photos([source], Output(output, existing=Existing.KEEP), PSF))
    assert len(report.kept) == len(found)
    assert len(report.written) == 8 - len(found)


def test_a_fault_of_the_program_ends_all_that_is_in_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png", "c.png", "d.png")
    before = threading.active_count()

    def faulty(*_: object) -> Steps[Pixels]:
        yield 0.0
        raise ZeroDivisionError

    monkeypatch.setattr(Wiener, "restoring", faulty)
    with pytest.raises(ZeroDivisionError):
        pulled(restore_photos([source], Output(tmp_path / "out"), PSF))
    assert threading.active_count() == before
    assert list((tmp_path / "out").iterdir()) == []


def test_what_was_left_out_is_mended_and_tried_again_under_its_own_name(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "a.png", "b.png", "c.png")
    whole = (source / "b.png").read_bytes()
    (source / "b.png").write_bytes(whole[: len(whole) // 2])
    output = Output(tmp_path / "out", "{n} {stem}")
    plan = planned([source], output)
    _, report = pulled(restore_planned(plan, output, PSF))
    assert [(path.name, "damaged" in reason) for path, reason in report.skipped] == [("b.png", True)]
    (source / "b.png").write_bytes(whole)
    missing = [item for item in plan if item.source == report.skipped[0][0]]
    events, again = pulled(restore_planned(missing, output, PSF))
    assert again.written == (tmp_path / "out" / "2 b.png",)
    assert [(event.done, event.total) for event in ends(events)] == [(1, 1)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1 a.png", "2 b.png", "3 c.png"]
