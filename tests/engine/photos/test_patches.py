"""The pool of photos, what is drawn from it, and what is checked before a run."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import ImageCms

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoSkipped
from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.patches import LUMA, PatchPool, check_sources, of_one_size
from ddm_gui.engine.photos.photo import Photo, find_photos, read, write
from ddm_gui.engine.settings import Settings

from ...conftest import write_dng

NAME = "zdjęcia Großer 写真"


def save(path: Path, pixels: np.ndarray, depth: int = 8) -> Path:
    """Writes pixels (H x W x C, in [0, 1]) as a photo, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(Photo(pixels.astype(np.float32), depth), path)
    return path


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Random values of whole 8-bit levels, none of them clipped."""
    values = np.random.default_rng(seed).integers(1, 255, (height, width, channels))
    return (values / 255).astype(np.float32)


def slopes(height: int, width: int) -> np.ndarray:
    """A 16-bit photo whose channels say where a pixel lies: row / 1000, column / 1000, one half."""
    rows, cols = np.indices((height, width))
    return np.stack([rows / 1000, cols / 1000, np.full(rows.shape, 0.5)], axis=2)


def finish(run: Generator[Event, None, PatchPool]) -> tuple[PatchPool, list[Event]]:
    """The pool, and what was told on the way."""
    events: list[Event] = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as end:
            return end.value, events


def load(folder: Path, **changes: Any) -> PatchPool:
    """A pool of all photos of a folder, of which none is left out."""
    options = {"patch_size": 16, "channels": None, "memory_budget_gb": 1.0, "seed": 0} | changes
    pool, events = finish(PatchPool.load(find_photos([folder]), **options))
    assert not events
    return pool


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Loading


def test_linear_light_of_8_bits_is_not_rounded_to_8_bits_again(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write(Photo(np.full((30, 30, 3), 13 / 255), 8, metadata=Metadata(icc=profile)), tmp_path / "a.png")
    linear = read(tmp_path / "a.png", "linear").pixels[0, 0, 0]
    pool = load(tmp_path, reading=lambda path: read(path, "linear"), light="linear")
    drawn = pool.draw(1, 16, generator()).pixels
    assert float(drawn.min()) == pytest.approx(linear, rel=1e-6)
    assert abs(linear - round(255 * linear) / 255) > 1e-4
    assert pool.depth == 16


def test_holds_what_the_files_hold(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    save(folder / "a.png", noise(40, 50))
    save(folder / "b.tif", noise(30, 20))
    pool = load(folder)
    assert (pool.photo_count, pool.channels, pool.depth, pool.patch_size) == (2, 3, 8, 16)
    assert pool.sizes == ((40, 50), (30, 20))


@pytest.mark.parametrize(("depth", "suffix"), [(8, ".png"), (16, ".tif")])
@pytest.mark.parametrize("channels", [1, 3])
def test_patches_are_cut_from_the_photo_at_their_position(
    tmp_path: Path, depth: int, suffix: str, channels: int
) -> None:
    pixels = noise(37, 52, channels)
    save(tmp_path / f"a{suffix}", pixels, depth)
    pool = load(tmp_path)
    assert pool.depth == depth
    batch = pool.draw(20, 15, generator())
    assert batch.pixels.shape == (20, channels, 15, 15)
    assert batch.pixels.dtype == batch.positions.dtype == torch.float32
    for patch, (row, col) in zip(batch.pixels, batch.positions.double(), strict=True):
        top, left = round(float(row * 36 - 7)), round(float(col * 51 - 7))
        cut = np.moveaxis(pixels[top : top + 15, left : left + 15], 2, 0)
        assert np.abs(patch.numpy() - cut).max() < 1e-5


def test_mixed_depths_keep_16_bits(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(20, 20))
    save(tmp_path / "b.tif", np.full((20, 20, 3), 1001 / 65535), 16)
    pool = load(tmp_path)
    values = pool.draw(50, 16, generator()).pixels
    assert pool.depth == 16
    assert (values == np.float32(1001 / 65535)).flatten(1).all(dim=1).any()


def test_bad_and_small_photos_are_left_out_with_their_reason(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    save(folder / "good.png", noise(40, 40))
    save(folder / "small.png", noise(15, 90))
    (folder / "bad.png").write_bytes(b"text")
    whole = (folder / "good.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])  # its header is fine
    pool, events = finish(
        PatchPool.load(find_photos([folder]), patch_size=16, channels=None, memory_budget_gb=1.0, seed=0)
    )
    reasons = {Path(event.path).name: event.reason for event in events if isinstance(event, PhotoSkipped)}
    assert sorted(reasons) == ["bad.png", "half.png", "small.png"]
    assert "90 x 15 pixels, smaller than a patch of 16 x 16" in reasons["small.png"]
    assert "not what its name says" in reasons["bad.png"]
    assert pool.sizes == ((40, 40),)
    assert pool.draw(4, 16, generator()).pixels.shape == (4, 3, 16, 16)


def test_edges_are_mirrored_where_only_those_are_missing(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", slopes(13, 40), 16)
    save(tmp_path / "b.tif", slopes(12, 40), 16)
    options = {"patch_size": 16, "channels": None, "memory_budget_gb": 1.0, "seed": 0}
    pool, events = finish(PatchPool.load(find_photos([tmp_path]), **options, mirrored=3))
    assert [Path(event.path).name for event in events if isinstance(event, PhotoSkipped)] == ["b.tif"]
    assert pool.sizes == ((13, 40),)
    batch = pool.draw(50, 16, generator())
    rows = torch.tensor([1, *range(13), 11, 10]) / 1000
    assert torch.allclose(batch.pixels[:, 0], rows[:, None].expand(50, 16, 16), atol=1e-4)
    assert torch.allclose(batch.positions[:, 0], torch.full((50,), (7.5 - 1) / 12))  # in the photo as it is


def test_nothing_usable_is_an_error_with_the_first_reasons(tmp_path: Path) -> None:
    for index in range(5):
        (tmp_path / f"{index}.png").write_bytes(b"")
    run = PatchPool.load(find_photos([tmp_path]), patch_size=16, channels=None, memory_budget_gb=1.0, seed=0)
    with pytest.raises(UserError, match="No photo could be used") as caught:
        finish(run)
    assert "0.png: It is empty." in caught.value.why
    assert "4.png" not in caught.value.why


def test_grey_and_colour_are_not_mixed(tmp_path: Path) -> None:
    for index in range(5):
        save(tmp_path / f"{index}.png", noise(20, 20))
    save(tmp_path / "grey.png", noise(20, 20, 1))
    with pytest.raises(UserError, match=r"these are grey: .*grey\.png\.") as caught:
        load(tmp_path)
    assert "Beside 5 others" in caught.value.why


def test_channels_asked_for(tmp_path: Path) -> None:
    pixels = noise(16, 16)
    save(tmp_path / "colour" / "a.png", pixels)
    save(tmp_path / "grey" / "a.png", noise(16, 16, 1))
    luma = load(tmp_path / "colour", channels=1)
    assert luma.channels == 1
    drawn = luma.draw(1, 16, generator()).pixels[0, 0]
    assert np.abs(drawn.numpy() - pixels @ np.array(LUMA, np.float32)).max() < 1e-6
    assert load(tmp_path / "colour", channels=3).channels == 3
    assert load(tmp_path / "grey", channels=1).channels == 1
    with pytest.raises(UserError, match="the photos are grey"):
        load(tmp_path / "grey", channels=3)


# The memory budget


def test_a_photo_beyond_its_share_is_one_crop_that_knows_its_place(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", slopes(200, 400), 16)
    budget = 200 * 400 * 3 * 4 / 10 / 1e9  # a tenth of it
    pool = load(tmp_path, memory_budget_gb=budget)
    assert pool.sizes == ((200, 400),)
    batch = pool.draw(300, 16, generator())
    rows, cols = batch.pixels[:, 0].mean(dim=(1, 2)) * 1000, batch.pixels[:, 1].mean(dim=(1, 2)) * 1000
    assert torch.allclose(batch.positions[:, 0], rows / 199, atol=1e-3)
    assert torch.allclose(batch.positions[:, 1], cols / 399, atol=1e-3)
    seen = (rows.max() - rows.min() + 16) * (cols.max() - cols.min() + 16)
    assert 0.05 < seen / (200 * 400) <= 0.101
    same = load(tmp_path, memory_budget_gb=budget).draw(300, 16, generator())
    assert torch.equal(same.pixels, batch.pixels)
    other = load(tmp_path, memory_budget_gb=budget, seed=1).draw(300, 16, generator())
    assert not torch.equal(other.positions, batch.positions)


def test_what_small_photos_leave_of_the_budget_goes_to_large_ones(tmp_path: Path) -> None:
    save(tmp_path / "large.png", noise(100, 100, 1))
    for index in range(9):
        save(tmp_path / f"{index}.png", noise(20, 20, 1))
    whole = load(tmp_path, memory_budget_gb=(100 * 100 + 9 * 20 * 20) / 1e9)
    corners = whole.draw(3000, 16, generator()).positions
    assert corners.min() < 0.1
    assert corners.max() > 0.9


def test_a_budget_below_one_patch_each_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(40, 40))
    save(tmp_path / "b.png", noise(40, 40))
    with pytest.raises(UserError, match="too small for 2 photos"):
        load(tmp_path, memory_budget_gb=2 * 16 * 15 * 3 / 1e9)
    narrow = load(tmp_path, memory_budget_gb=2 * 16 * 16 * 3 / 1e9)
    assert narrow.draw(8, 16, generator()).pixels.shape == (8, 3, 16, 16)


# Drawing


def test_the_same_state_draws_the_same(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(60, 60))
    save(tmp_path / "b.png", noise(50, 40, seed=1))
    pool = load(tmp_path)
    first = generator(5)
    one, two = (pool.draw(9, 16, first, mirror=True) for _ in range(2))
    second = generator(5)
    again = pool.draw(9, 16, second, mirror=True)
    assert torch.equal(one.pixels, again.pixels)
    assert torch.equal(one.positions, again.positions)
    assert not torch.equal(one.pixels, two.pixels)
    torch.manual_seed(123)  # nothing is drawn from the global state
    assert torch.equal(load(tmp_path).draw(9, 16, second, mirror=True).pixels, two.pixels)


def test_every_place_is_equally_likely(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((18, 16, 1), 50 / 255))  # 3 places
    save(tmp_path / "b.png", np.full((24, 16, 1), 150 / 255))  # 9 places
    batch = load(tmp_path).draw(4000, 16, generator())
    dark = batch.pixels[:, 0, 0, 0] < 0.4
    assert abs(float(dark.float().mean()) - 0.25) < 0.03
    rows, counts = batch.positions[dark, 0].unique(return_counts=True)
    assert torch.allclose(rows, torch.tensor([7.5, 8.5, 9.5]) / 17)
    assert counts.min() > 250


def test_half_of_the_patches_are_mirrored_left_right_only(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", slopes(60, 80), 16)
    batch = load(tmp_path).draw(2000, 16, generator(), mirror=True)
    across = batch.pixels[:, 1, 0, -1] - batch.pixels[:, 1, 0, 0]
    down = batch.pixels[:, 0, -1, 0] - batch.pixels[:, 0, 0, 0]
    assert (down > 0).all()
    assert abs(float((across < 0).float().mean()) - 0.5) < 0.05
    middles = batch.pixels[:, 1].mean(dim=(1, 2)) * 1000 / 79
    assert torch.allclose(batch.positions[:, 1], middles, atol=1e-3)  # the place, not its mirror image
    plain = load(tmp_path).draw(2000, 16, generator())
    assert (plain.pixels[:, 1, 0, -1] > plain.pixels[:, 1, 0, 0]).all()


@pytest.mark.parametrize(("suffix", "depth"), [(".png", 8), (".tif", 16)])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_mostly_clipped_patches_are_drawn_again(tmp_path: Path, suffix: str, depth: int, level: float) -> None:
    pixels = noise(64, 64)
    pixels[:, :24] = level
    save(tmp_path / f"a{suffix}", pixels, depth)
    batch = load(tmp_path).draw(500, 16, generator())
    clipped = ((batch.pixels == level).float().mean(dim=(1, 2, 3)) > 0.5).float().mean()
    assert clipped < 0.01  # a third of all places are
    lefts = batch.positions[:, 1] * 63 - 7.5
    assert 15.5 <= lefts.min() <= 17


def test_clipped_luma_counts_as_clipped(tmp_path: Path) -> None:
    pixels = noise(64, 64)
    pixels[:, :24] = 1.0
    save(tmp_path / "a.png", pixels)
    batch = load(tmp_path, channels=1).draw(500, 16, generator())
    assert batch.positions[:, 1].min() * 63 - 7.5 >= 15.5


def test_a_photo_clipped_everywhere_is_still_drawn_from(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.ones((40, 40, 3)))
    assert (load(tmp_path).draw(7, 16, generator()).pixels == 1.0).all()


def test_photos_smaller_than_what_is_drawn_offer_nothing(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.full((20, 20, 1), 50 / 255))
    save(tmp_path / "b.png", np.full((40, 40, 1), 150 / 255))
    pool = load(tmp_path)
    assert (pool.draw(50, 30, generator()).pixels > 0.5).all()
    with pytest.raises(ValueError, match="no photo of the pool"):
        pool.draw(1, 41, generator())


# Splitting


def test_split_by_photo_shares_no_photo(tmp_path: Path) -> None:
    for index in range(10):
        save(tmp_path / f"{index}.png", np.full((20, 20 + index, 1), (index + 1) / 255))
    pool = load(tmp_path)
    rest, held = pool.split(0.3, seed=4)
    assert (rest.photo_count, held.photo_count) == (7, 3)
    assert sorted(rest.sizes + held.sizes) == sorted(pool.sizes)
    levels = [set(part.draw(500, 16, generator()).pixels.unique().tolist()) for part in (rest, held)]
    assert len(levels[0]) == 7
    assert not levels[0] & levels[1]
    assert pool.split(0.3, seed=4)[1].sizes == held.sizes
    assert any(pool.split(0.3, seed=other)[1].sizes != held.sizes for other in range(5, 9))


@pytest.mark.parametrize(("fraction", "held_count"), [(0.0, 1), (0.1, 1), (1.0, 2)])
def test_each_part_has_a_photo(tmp_path: Path, fraction: float, held_count: int) -> None:
    for index in range(3):
        save(tmp_path / f"{index}.png", noise(20, 20, 1, index))
    rest, held = load(tmp_path).split(fraction, seed=0)
    assert (rest.photo_count, held.photo_count) == (3 - held_count, held_count)


@pytest.mark.parametrize("turned", [False, True])
def test_a_single_photo_is_cut_into_bands(tmp_path: Path, turned: bool) -> None:
    pixels = slopes(100, 60)
    save(tmp_path / "a.tif", pixels.swapaxes(0, 1) if turned else pixels, 16)
    rest, held = load(tmp_path).split(0.3, seed=0)
    for part, low, high in ((rest, 0, 69), (held, 70, 99)):
        batch = part.draw(400, 16, generator())
        rows = batch.pixels[:, 0] * 1000
        assert float(rows.min()) == pytest.approx(low, abs=0.01)
        assert float(rows.max()) == pytest.approx(high, abs=0.01)
        middles = batch.pixels[:, 0].mean(dim=(1, 2)) * 1000 / 99
        assert torch.allclose(batch.positions[:, 1 if turned else 0], middles, atol=1e-3)


def test_a_single_photo_too_small_for_two_bands(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(31, 20))
    with pytest.raises(UserError, match="too small"):
        load(tmp_path).split(0.1, seed=0)


def test_a_region_is_the_middle_of_each_photo_and_keeps_its_place(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", slopes(101, 140), 16)
    save(tmp_path / "b.tif", slopes(20, 140), 16)
    for budget in (1.0, 2 * 500 * 12 / 1e9):  # the whole region, or a crop of it
        pool = load(tmp_path, region=41, memory_budget_gb=budget)
        assert pool.sizes == ((101, 140), (20, 140))
        batch = pool.draw(600, 16, generator())
        rows, cols = (batch.pixels[:, channel] * 1000 for channel in (0, 1))
        assert cols.min() > 48.9
        assert cols.max() < 89.1
        high = rows[rows.amax(dim=(1, 2)) > 25]  # of the higher photo
        assert high.min() > 29.9
        assert high.max() < 70.1
        seen = high.mean(dim=(1, 2)) / 100
        torch.testing.assert_close(batch.positions[rows.amax(dim=(1, 2)) > 25, 0], seen, atol=1e-4, rtol=0.0)


# Before a run


def check(clean: list[Path], degraded: list[Path], patch: int = 16, **changes: Any) -> list[Note]:
    return check_sources(clean, degraded, patch, Settings(**changes))


def test_good_sources_pass_bad_files_among_them(tmp_path: Path) -> None:
    save(tmp_path / NAME / "a.png", noise(40, 40))
    save(tmp_path / NAME / "tiny.png", noise(4, 4))
    (tmp_path / NAME / "bad.jpg").write_bytes(b"text")
    save(tmp_path / "degraded" / "a.png", noise(17, 16))
    check([tmp_path / NAME], [tmp_path / "degraded"])


def test_empty_missing_and_equal_folders(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", noise(40, 40))
    save(tmp_path / "a" / "2.png", noise(40, 40))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no photo in"):
        check([tmp_path / "a"], [tmp_path / "empty"])
    with pytest.raises(UserError, match="does not exist"):
        check([tmp_path / "nowhere"], [tmp_path / "a"])
    with pytest.raises(UserError, match="are the same"):
        check([tmp_path / "a"], [tmp_path / "empty" / ".." / "a"])
    with pytest.raises(UserError, match="are the same"):
        check([tmp_path / "a"], [tmp_path / "a" / "2.png", tmp_path / "a" / "1.png"])
    check([tmp_path / "a" / "1.png"], [tmp_path / "a" / "2.png"])


def test_one_folder_serves_as_both_where_the_region_splits_it(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", noise(60, 60))
    with pytest.raises(UserError, match=r"24 px or more") as caught:
        check([tmp_path / "a"], [tmp_path / "a"], clean_region=23, kernel_size=9)
    assert "clean_region" in caught.value.what
    (note,) = check([tmp_path / "a"], [tmp_path / "a"], clean_region=24, kernel_size=9)
    assert "mixture" in note.text
    assert check([tmp_path / "a"], [tmp_path / "a"], clean_region=24, kernel_size=9, rows=2, cols=2) == []


def test_one_folder_serves_as_both_where_apertures_split_it(tmp_path: Path) -> None:
    for name, aperture in (("sharp", 5.66), ("soft", 16.0), ("softer", 16.0)):
        photo = Photo(noise(60, 60), 8, metadata=Metadata(exif.to_bytes({exif.EXIF_DIRECTORY: {33437: aperture}})))
        (tmp_path / "a").mkdir(exist_ok=True)
        write(photo, tmp_path / "a" / f"{name}.jpg")
    save(tmp_path / "b" / "1.png", noise(60, 60))
    both = [tmp_path / "a"]
    check(both, both, clean_aperture="5.6", degraded_aperture="11-16")
    check(both, both, degraded_aperture="16")
    with pytest.raises(UserError, match="are the same"):
        check(both, both, clean_aperture="5.6", degraded_aperture="5.6")
    with pytest.raises(UserError, match="No degraded photo was taken at f/8") as caught:
        check(both, both, degraded_aperture="8")
    assert "f/5.7 (1), f/16 (2)" in caught.value.why
    with pytest.raises(UserError, match="clean") as caught:
        check([tmp_path / "b"], both, clean_aperture="5.6")
    assert "unknown aperture (1)" in caught.value.why


def test_linear_light_must_be_told_on_both_sides(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", noise(60, 60))
    write_dng(tmp_path / "raw.dng", np.full((60, 60), 9000, np.uint16))
    with pytest.raises(UserError, match="None of the degraded photos can be read in linear light"):
        check([tmp_path / "raw.dng"], [tmp_path / "a"], light="linear")


def test_a_side_that_cannot_be_read(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", noise(40, 40))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.png").write_bytes(b"text")
    with pytest.raises(UserError, match="No photo could be used"):
        check([tmp_path / "a"], [tmp_path / "b"])


def test_grey_against_colour(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", noise(40, 40))
    save(tmp_path / "b" / "1.png", noise(40, 40, 1))
    with pytest.raises(UserError, match="clean photos are in colour, the degraded ones grey"):
        check([tmp_path / "a"], [tmp_path / "b"])
    save(tmp_path / "b" / "2.png", noise(40, 40))
    with pytest.raises(UserError, match="mixed"):
        check([tmp_path / "a"], [tmp_path / "b"])


def test_all_smaller_than_a_patch(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", noise(15, 90))
    save(tmp_path / "b" / "1.png", noise(40, 40))
    with pytest.raises(UserError, match="All clean photos are smaller") as caught:
        check([tmp_path / "a"], [tmp_path / "b"])
    assert "16 x 16" in caught.value.why
    assert "90 x 15" in caught.value.why
    with pytest.raises(UserError, match="All degraded photos are smaller"):
        check([tmp_path / "b"], [tmp_path / "a"])


def test_real_photos_are_loaded(shared_data: Path) -> None:
    pool = load(shared_data / "photos" / "kodak24", patch_size=64)
    assert (pool.photo_count, pool.channels, pool.depth) == (24, 3, 8)
    batch = pool.draw(64, 64, generator())
    assert batch.pixels.shape == (64, 3, 64, 64)
    assert 0.2 < float(batch.pixels.mean()) < 0.7


# Photos of one size


def one_size(folder: Path) -> tuple[list[str], list[PhotoSkipped]]:
    """The names that are kept, and what is said of the others."""
    run = of_one_size(find_photos([folder]))
    said: list[PhotoSkipped] = []
    while True:
        try:
            event = next(run)
            assert isinstance(event, PhotoSkipped)
            said.append(event)
        except StopIteration as end:
            return [path.name for path in end.value], said


def test_photos_of_another_size_than_most_are_named_and_left_out(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / f"{name}.png", noise(30, 40))
    save(tmp_path / "crop.png", noise(30, 36))
    (tmp_path / "damaged.png").write_bytes(b"no photo")  # `load` names it
    kept, said = one_size(tmp_path)
    assert kept == ["a.png", "b.png", "c.png", "damaged.png"]
    (skipped,) = said
    assert Path(skipped.path).name == "crop.png"
    assert "36 x 30" in skipped.reason
    assert "40 x 30" in skipped.reason


def test_where_no_size_is_that_of_most_all_photos_are_taken(tmp_path: Path) -> None:
    for index, width in enumerate((40, 40, 36, 30)):
        save(tmp_path / f"{index}.png", noise(30, width))
    assert one_size(tmp_path) == (["0.png", "1.png", "2.png", "3.png"], [])


def test_the_places_of_pixels_are_where_they_lie_in_the_photo(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", slopes(37, 52), 16)
    batch = load(tmp_path).draw(5, 16, generator())
    places = batch.places(10)
    assert places.shape == (5, 2, 10, 10)
    inside = batch.pixels[:, :2, 3:13, 3:13] * 1000  # row and column
    expected = inside / torch.tensor([36.0, 51.0])[:, None, None]
    torch.testing.assert_close(places, expected, atol=1e-3, rtol=0.0)
