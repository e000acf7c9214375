"""Simulated sets: the photos are what the truth says, nothing is mixed up, and a run that was stopped goes on."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ddm_gui.engine.blur.degradation import blur_same
from ddm_gui.engine.blur.field_blur import blur_field_same
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoSimulated, PhotoSkipped
from ddm_gui.engine.photos.photo import Photo, read, write
from ddm_gui.engine.simulate import simulated_set
from ddm_gui.engine.simulate.blurs import ComaBlur, GaussianBlur, LensBlur, ShakeBlur
from ddm_gui.engine.simulate.known_set import KnownSet, truth_beside
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.simulated_psf import simulated_psf
from ddm_gui.engine.simulate.simulated_set import simulate_set

PSF = simulated_psf(GaussianBlur(1.5, 0.8, 20.0), 11, 0.02)
LENS = simulated_psf(ComaBlur(), 15, 0.01)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five in colour, of different sizes, one with 16 bits and a tag that says how it is turned."""
    folder = tmp_path / "zdjęcia Großer 写真"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        write(Photo(0.2 + 0.6 * dead_leaves(70 + index, 90, rng), 8), folder / f"photo{index}.png")
    write(Photo(0.2 + 0.6 * dead_leaves(64, 80, rng), 16, orientation=6), folder / "turned.tif")
    return folder


def finish(run: Generator[Event, None, KnownSet]) -> tuple[KnownSet, list[Event]]:
    events: list[Event] = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as done:
            return done.value, events


def made(photos: Path, output: Path, psf: PsfGrid = PSF, **options: Any) -> KnownSet:
    return finish(simulate_set([photos], output, psf, **options))[0]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


# What is in it


@pytest.mark.parametrize(("file_format", "suffix", "depth"), [("png", ".png", 8), ("tiff16", ".tif", 16)])
@pytest.mark.parametrize("psf", [PSF, LENS], ids=["one kernel", "a kernel per colour"])
def test_degraded_photos_are_the_sharp_ones_blurred_and_the_noise(
    photos: Path, tmp_path: Path, psf: PsfGrid, file_format: str, suffix: str, depth: int
) -> None:
    known, events = finish(simulate_set([photos], tmp_path / "set", psf, file_format=file_format))
    assert [type(event) for event in events] == [PhotoSimulated] * 5
    assert [(event.done, event.total) for event in events if isinstance(event, PhotoSimulated)][-1] == (5, 5)
    truth = PsfGrid.load(known.truth)
    np.testing.assert_array_equal(truth.kernels, psf.kernels)
    assert truth.noise_sigma == psf.noise_sigma
    names = [f"photo{index}{suffix}" for index in range(4)] + [f"turned{suffix}"]
    assert sorted(path.name for path in known.degraded.iterdir()) == names
    assert sorted(path.name for path in known.sharp.iterdir()) == names
    assert not known.clean.exists()
    for name in names:
        sharp, degraded = read(known.sharp / name), read(known.degraded / name)
        assert sharp.depth == degraded.depth == depth
        assert sharp.orientation == degraded.orientation == (6 if name.startswith("turned") else 1)
        source = read(next(photos.glob(f"{Path(name).stem}.*")))
        np.testing.assert_allclose(sharp.pixels, source.pixels, atol=0.501 / (2**depth - 1))
        noise = degraded.pixels - blur_same(sharp.pixels, psf.kernels[0, 0])
        assert noise.std() == pytest.approx(np.hypot(psf.noise_sigma, 1 / (2**depth - 1) / np.sqrt(12)), rel=0.05)
        assert abs(noise.mean()) < 0.001


def test_no_noise_is_no_noise(photos: Path, tmp_path: Path) -> None:
    known = made(photos, tmp_path / "set", replace(PSF, noise_sigma=0.0))
    sharp, degraded = (read(folder / "photo0.png").pixels for folder in (known.sharp, known.degraded))
    np.testing.assert_allclose(degraded, blur_same(sharp, PSF.kernels[0, 0]), atol=0.51 / 255)


def test_photos_do_not_share_their_noise(photos: Path, tmp_path: Path) -> None:
    write(read(photos / "photo0.png"), photos / "same.png")
    known = made(photos, tmp_path / "set")
    one, other = (read(known.degraded / name).pixels for name in ("photo0.png", "same.png"))
    assert (one - other).std() == pytest.approx(0.02 * np.sqrt(2.0), rel=0.05)


def test_grey_photos_stay_grey_and_a_lens_blurs_them_by_its_mean(photos: Path, tmp_path: Path) -> None:
    grey = tmp_path / "grey"
    grey.mkdir()
    write(Photo(0.5 * read(photos / "photo0.png").pixels[..., :1], 8), grey / "grey.png")
    mean = LENS.kernels.mean(axis=2, keepdims=True)
    alone = made(grey, tmp_path / "alone", LENS)
    np.testing.assert_array_equal(PsfGrid.load(alone.truth).kernels, mean)
    write(read(grey / "grey.png"), photos / "grey.png")
    mixed = made(photos, tmp_path / "mixed", LENS)
    np.testing.assert_array_equal(PsfGrid.load(mixed.truth).kernels, LENS.kernels)
    for known in (alone, mixed):
        sharp, degraded = (read(folder / "grey.png").pixels for folder in (known.sharp, known.degraded))
        assert degraded.shape == (70, 90, 1)
        assert (degraded - blur_same(sharp, mean[0, 0])).std() == pytest.approx(0.01, rel=0.06)


def test_over_the_field_each_place_is_blurred_by_its_own_kernel(photos: Path, tmp_path: Path) -> None:
    lens = replace(simulated_psf(LensBlur(rows=2, cols=3), 9, 0.01), provenance={})
    known = made(photos, tmp_path / "set", lens)
    np.testing.assert_array_equal(PsfGrid.load(known.truth).kernels, lens.kernels)
    sharp, degraded = (read(folder / "photo0.png").pixels for folder in (known.sharp, known.degraded))
    assert (degraded - blur_field_same(sharp, lens.kernels)).std() == pytest.approx(0.01, rel=0.06)
    assert (degraded - blur_same(sharp, lens.at(0.5, 0.5))).std() > 0.015
    grey = tmp_path / "grey"
    grey.mkdir()
    write(Photo(0.5 * sharp[..., :1], 8), grey / "grey.png")
    truth = PsfGrid.load(made(grey, tmp_path / "grey set", lens).truth)
    np.testing.assert_array_equal(truth.kernels, lens.kernels.mean(axis=2, keepdims=True))


def test_the_truth_says_how_the_set_was_made_and_learning_finds_it(photos: Path, tmp_path: Path) -> None:
    known = made(photos, tmp_path / "set", simulated_psf(ShakeBlur(0.7), 11, 0.02, seed=5), seed=5)
    about = PsfGrid.load(known.truth).provenance
    assert about["kernel"].items() >= {"kind": "shake", "intensity": 0.7, "kernel_size": 11, "seed": 5}.items()
    assert (about["noise_sigma"], about["seed"], about["split"], about["format"]) == (0.02, 5, False, "png")
    assert about["photos"] == [str(path) for path in sorted(photos.iterdir())]
    assert truth_beside([known.degraded]) == known.truth


def test_photos_of_one_name_get_two(photos: Path, tmp_path: Path) -> None:
    write(read(photos / "photo0.png"), photos / "photo0.jpg")
    known = made(photos, tmp_path / "set")
    assert stems(known.degraded) == {"photo0", "photo0_2", "photo1", "photo2", "photo3", "turned"}
    assert stems(known.degraded) == stems(known.sharp)


# Two halves


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_halves_share_no_photo(photos: Path, tmp_path: Path, seed: int) -> None:
    known = made(photos, tmp_path / "set", split=True, seed=seed)
    assert not stems(known.clean) & stems(known.degraded)
    assert stems(known.clean) | stems(known.degraded) == stems(photos)
    assert (len(stems(known.clean)), len(stems(known.degraded))) == (2, 3)
    assert stems(known.sharp) == stems(known.degraded)
    for path in known.clean.iterdir():
        source = read(next(photos.glob(f"{path.stem}.*"))).pixels
        np.testing.assert_allclose(read(path).pixels, source, atol=0.501 / 255)


def test_halves_are_drawn_by_the_seed(photos: Path, tmp_path: Path) -> None:
    halves = [
        frozenset(stems(made(photos, tmp_path / f"set{number}", split=True, seed=seed).clean))
        for number, seed in enumerate((0, 0, 1, 2, 3))
    ]
    assert halves[0] == halves[1]
    assert len(set(halves)) > 1


def test_a_photo_that_becomes_readable_changes_no_half(photos: Path, tmp_path: Path) -> None:
    whole = made(photos, tmp_path / "whole", split=True)
    content = (photos / "photo1.png").read_bytes()
    (photos / "photo1.png").write_bytes(b"text")
    known = made(photos, tmp_path / "set", split=True)
    (photos / "photo1.png").write_bytes(content)
    assert made(photos, tmp_path / "set", split=True) == known
    assert contents(known.root) == contents(whole.root)


# Stopped, and again


def test_the_same_seed_gives_the_same_files_and_another_does_not(photos: Path, tmp_path: Path) -> None:
    one, again, other = (
        contents(made(photos, tmp_path / name, seed=seed).root) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert one == again
    assert all(one[name] != other[name] for name in one if name.startswith("degraded"))


def test_a_set_that_was_stopped_goes_on_and_is_the_same_as_one_that_was_not(photos: Path, tmp_path: Path) -> None:
    whole = made(photos, tmp_path / "whole")
    run = simulate_set([photos], tmp_path / "set", PSF)
    next(run), next(run)
    run.close()
    known = KnownSet(tmp_path / "set")
    assert not known.truth.exists()
    assert not list(known.root.rglob("*.writing"))
    assert stems(known.degraded) == stems(known.sharp) == {"photo0", "photo1"}
    (known.sharp / "photo3.png").write_bytes(b"the degraded one was not written any more")
    before = {path: path.stat().st_mtime_ns for path in known.degraded.iterdir()}
    _, events = finish(simulate_set([photos], known.root, PSF))
    assert [event.text for event in events if isinstance(event, Note)] == ["2 of 5 photos are there already."]
    assert len([event for event in events if isinstance(event, PhotoSimulated)]) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert contents(known.root) == contents(whole.root)


def test_a_finished_set_is_left_as_it_is(photos: Path, tmp_path: Path) -> None:
    known = made(photos, tmp_path / "set")
    before = {path: path.stat().st_mtime_ns for path in known.root.rglob("*.png")}
    _, events = finish(simulate_set([photos], known.root, PSF))
    assert [type(event) for event in events] == [Note]
    assert {path: path.stat().st_mtime_ns for path in known.root.rglob("*.png")} == before


# Refused


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"split": True},
        {"file_format": "tiff16"},
        {"psf": replace(PSF, noise_sigma=0.03)},
        {"psf": LENS},
        {"psf": replace(PSF, kernels=PSF.kernels[..., ::-1])},
        {"inputs": "fewer"},
    ],
    ids=str,
)
def test_another_set_is_never_mixed_with_the_one_that_is_there(
    photos: Path, tmp_path: Path, other: dict[str, Any], stopped: bool
) -> None:
    output = tmp_path / "set"
    run = simulate_set([photos], output, PSF)
    next(run)
    run.close()
    if not stopped:
        made(photos, output)
    before = contents(output)
    inputs = [photos / "photo0.png"] if other.get("inputs") else [photos]
    options = {"psf": PSF} | {name: value for name, value in other.items() if name != "inputs"}
    with pytest.raises(UserError, match="holds another set"):
        next(simulate_set(inputs, output, **options))
    assert contents(output) == before


def test_folders_of_other_photos_and_a_damaged_truth_are_left_alone(photos: Path, tmp_path: Path) -> None:
    for name in ("clean", "degraded", "sharp"):
        (tmp_path / name / name).mkdir(parents=True)
        write(read(photos / "photo0.png"), tmp_path / name / name / "mine.png")
        with pytest.raises(UserError, match="holds photos already"):
            next(simulate_set([photos], tmp_path / name, PSF))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "truth.safetensors").write_bytes(b"text")
    with pytest.raises(UserError, match="another set"):
        next(simulate_set([photos], tmp_path / "damaged", PSF))


@pytest.mark.parametrize("place", ["", "set", "set/deep"])
def test_an_output_within_the_input_is_refused(photos: Path, place: str) -> None:
    with pytest.raises(UserError, match="lies in the folder of the clean photos"):
        next(simulate_set([photos], photos / place, PSF))
    assert len(list(photos.iterdir())) == 5


@pytest.mark.parametrize("name", ["clean", "sharp", "degraded"])
def test_photos_that_lie_where_the_set_would_be_are_refused(photos: Path, tmp_path: Path, name: str) -> None:
    known = made(photos, tmp_path / "set", split=True)
    before = contents(known.root)
    with pytest.raises(UserError, match="never overwritten"):
        next(simulate_set([known.root / name], known.root, PSF))
    assert contents(known.root) == before


def test_bad_and_small_photos_are_left_out_with_a_reason_and_the_rest_is_made(photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"text")
    whole = (photos / "photo1.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[: len(whole) // 2])  # its header is sound
    write(Photo(np.zeros((10, 80, 3), dtype=np.float32), 8), photos / "small.png")
    known, events = finish(simulate_set([photos], tmp_path / "set", PSF))
    skipped = {Path(event.path).name: event.reason for event in events if isinstance(event, PhotoSkipped)}
    assert skipped.keys() == {"bad.png", "cut.png", "small.png"}
    assert "smaller than the kernel" in skipped["small.png"]
    assert stems(known.degraded) == stems(known.sharp) == {"photo0", "photo1", "photo2", "photo3", "turned"}
    assert known.truth.is_file()


def test_a_kernel_as_large_as_the_photo_still_fits(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(Photo(np.random.default_rng(0).random((11, 11, 1), dtype=np.float32), 8), tmp_path / "in" / "a.png")
    known = made(tmp_path / "in", tmp_path / "set")
    assert read(known.degraded / "a.png").pixels.shape == (11, 11, 1)


def test_when_no_photo_can_be_used_nothing_is_written(photos: Path, tmp_path: Path) -> None:
    large = simulated_psf(ShakeBlur(), 63)
    for path in photos.iterdir():
        write(Photo(np.zeros((60, 90, 3), dtype=np.float32), 8), path, "png" if path.suffix == ".png" else "tiff")
    with pytest.raises(UserError, match="smaller than the kernel"):
        next(simulate_set([photos], tmp_path / "set", large))
    with pytest.raises(UserError, match="no photo"):
        next(simulate_set([tmp_path], tmp_path / "set", PSF))
    with pytest.raises(UserError, match="split"):
        next(simulate_set([photos / "photo0.png"], tmp_path / "set", PSF, split=True))
    with pytest.raises(UserError, match="linear light"):
        next(simulate_set([photos], tmp_path / "set", replace(PSF, light="linear")))
    assert not (tmp_path / "set").exists()


def test_photos_that_all_break_on_the_way_are_told_and_no_truth_is_written(photos: Path, tmp_path: Path) -> None:
    for path in photos.iterdir():
        path.write_bytes(path.read_bytes()[:-2000])
    run = simulate_set([photos / "photo0.png"], tmp_path / "set", PSF)
    assert isinstance(next(run), PhotoSkipped)
    with pytest.raises(UserError, match="None of the photos"):
        next(run)
    assert not KnownSet(tmp_path / "set").truth.exists()


@pytest.mark.parametrize(
    ("psf", "seed", "said"),
    [
        (replace(PSF, noise_sigma=None), 0, "how much noise"),
        (replace(PSF, noise_sigma=-0.1), 0, "noise_sigma"),
        (PSF, -1, "seed"),
    ],
)
def test_what_photos_cannot_be_degraded_by(photos: Path, tmp_path: Path, psf: PsfGrid, seed: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        next(simulate_set([photos], tmp_path / "set", psf, seed=seed))
    assert not (tmp_path / "set").exists()


def test_a_place_that_cannot_be_written_is_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        next(simulate_set([photos], tmp_path / "file", PSF))


def test_photos_are_read_one_at_a_time(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []

    def noted(path: Path, light: str) -> Photo:
        reads.append(path)
        return read(path, light)

    monkeypatch.setattr(simulated_set, "read", noted)
    run = simulate_set([photos], tmp_path / "set", PSF)
    for count, _ in enumerate(run, start=1):
        assert len(reads) == count
