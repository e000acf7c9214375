"""From photos to seeded random patches: an in-memory pool, and what is checked before a run starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoSkipped
from ddm_gui.engine.photos.learning_photos import chosen
from ddm_gui.engine.photos.photo import Photo, PhotoHeader, find_photos, read, read_header
from ddm_gui.engine.settings import Settings

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: what one channel is made of where photos are in colour
UNROUNDED = 16  # bits: of photos in linear light, in which the steps of their files are no longer even
REDRAWS = 8  # a photo may be clipped nearly everywhere (a night sky): then its patches are taken as they are
WHITE = 1.0 - 1e-6  # clipped, also where rounding of the luma missed 1.0
MEAN_OVER_FIELD = (
    "One folder serves as both, so the sharp middle is among the degraded patches, too: one kernel for the whole photo "
    "is a mixture of all places. A grid of kernels (preset lens) keeps them apart."
)
NAMED = 3  # how many files a message names


@dataclass(frozen=True, eq=False)
class PatchBatch:
    """Patches: `pixels` count x C x size x size, float32 in [0, 1]; `positions` and `pitch` count x 2, float32.

    A position is (row, col) of the patch's centre in the full photo, in [0, 1]: 0 is the centre of the first pixel,
    1 that of the last. The pitch is how much further the next pixel lies.
    """

    pixels: Tensor
    positions: Tensor
    pitch: Tensor

    def places(self, size: int) -> Tensor:
        """Where each of the middle size x size pixels of the patches lies in the field: count x 2 x size x size."""
        return field_places(self.positions, self.pitch, size)


def field_places(positions: Tensor, pitch: Tensor, size: int) -> Tensor:
    """The field positions, row and col, of the pixels of patches around `positions`: count x 2 x size x size."""
    steps = torch.arange(size, device=positions.device) - (size - 1) / 2
    down = positions[:, :1] + pitch[:, :1] * steps
    right = positions[:, 1:] + pitch[:, 1:] * steps
    return torch.stack([down[:, :, None].expand(-1, -1, size), right[:, None, :].expand(-1, size, -1)], dim=1)


@dataclass(frozen=True)
class _Area:
    """A rectangle of one photo in the flat buffer: where it starts, how to step in it, where it lies in the photo.

    Channels lie one plane after the other, so that a row of a patch is contiguous.
    """

    offset: int
    plane_stride: int
    row_stride: int
    height: int
    width: int
    row: int
    col: int
    photo_height: int
    photo_width: int

    def part(self, row: int, col: int, height: int, width: int) -> _Area:
        """A rectangle of this rectangle, on the same memory."""
        return replace(
            self,
            offset=self.offset + row * self.row_stride + col,
            height=height,
            width=width,
            row=self.row + row,
            col=self.col + col,
        )


class PatchPool:
    """Photos in one flat buffer, from which patches are drawn."""

    def __init__(self, buffer: Tensor, areas: Sequence[_Area], channels: int, depth: int, patch_size: int) -> None:
        self._buffer = buffer
        self._areas = tuple(areas)
        self._table = torch.tensor([astuple(area) for area in areas], dtype=torch.int64)
        self.channels = channels
        self.depth = depth
        self.patch_size = patch_size

    @property
    def photo_count(self) -> int:
        """How many photos the pool draws from."""
        return len(self._areas)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each photo, the full one where only a crop is in memory."""
        return tuple((area.photo_height, area.photo_width) for area in self._areas)

    @property
    def largest_patch(self) -> int:
        """Width and height of the largest patch that can be drawn, px."""
        return max(min(area.height, area.width) for area in self._areas)

    @classmethod
    def load(
        cls,
        paths: Sequence[Path],
        *,
        patch_size: int,
        channels: int | None,
        memory_budget_gb: float,
        seed: int,
        mirrored: int = 0,
        region: int = 0,
        reading: Callable[[Path], Photo] = read,
        light: str = "display",
    ) -> Generator[Event, None, PatchPool]:
        """Reads photos into a pool, yielding a PhotoSkipped for each that is left out.

        Photos have equal shares of the memory budget (GB of 10^9 bytes); what small ones leave is shared by the
        others. A photo beyond its share is represented by one random crop, chosen by `seed` and its place in `paths`.

        Args:
            patch_size: the largest patch that will be drawn; smaller photos are left out,
            mirrored: but for those that `mirrored` more pixels at their edges would make large enough.
            region: of each photo only the region x region pixels in its middle are drawn from; 0: all of it.
            reading: how a photo is read.
            light: in which `reading` gives photos.
            channels: None as the photos are; 1 makes luma of colour photos; 3 asks for colour photos.

        Raises:
            UserError: nothing usable remains, grey and colour are mixed or not what was asked for, or the budget is
                too small for one patch of each photo.
        """
        headers: dict[Path, PhotoHeader] = {}
        skipped: list[PhotoSkipped] = []
        for path in paths:
            try:
                headers[path] = _usable_header(path, patch_size - mirrored)
            except UserError as error:
                skipped.append(PhotoSkipped(str(path), error.reason))
                yield skipped[-1]
        if not headers:
            raise _nothing_left(skipped)
        photo_channels = _common_channels(headers)
        if channels == 3 and photo_channels == 1:
            raise UserError(
                "One blur per colour was asked for, and the photos are grey.", "", "Choose one blur for all colours."
            )
        kept = channels or photo_channels
        # 8-bit values are held as bytes: exact, and a quarter of the memory. Luma is no whole number of them, nor is
        # what a tone curve makes of them.
        whole = light == "display" and all(header.depth == 8 for header in headers.values())
        exact = whole and kept == photo_channels
        budget = int(memory_budget_gb * 1e9) // ((1 if exact else 4) * kept)
        sizes = [_central((header.height, header.width), region) for header in headers.values()]
        wanted = [max(size[2], patch_size) * max(size[3], patch_size) for size in sizes]
        shares = _shares(wanted, budget)
        if min(shares) < patch_size**2:
            raise UserError(
                f"The memory for photos ({memory_budget_gb:g} GB) is too small for {len(headers)} photos.",
                "Each must be there with one patch at least.",
                "Raise it in the settings, or choose fewer photos.",
            )
        buffer = torch.empty(sum(shares) * kept, dtype=torch.uint8 if exact else torch.float32)
        flat = buffer.numpy()
        areas: list[_Area] = []
        filled = depth = 0
        order = {path: index for index, path in enumerate(paths)}
        for path, share in zip(headers, shares, strict=True):
            try:
                photo = reading(path)
            except UserError as error:
                skipped.append(PhotoSkipped(str(path), error.reason))
                yield skipped[-1]
                continue
            size = photo.pixels.shape[:2]
            top, side, high, wide = _central(size, region)
            pixels, above, left = _at_least(photo.pixels[top : top + high, side : side + wide], patch_size)
            random = np.random.default_rng([seed, order[path]])
            row, col, height, width = _crop(pixels.shape[:2], share, patch_size, random)
            planes = _planes(pixels[row : row + height, col : col + width], kept, exact)
            flat[filled : filled + planes.size] = planes.reshape(-1)
            first_row, first_col = top + row - above, side + col - left
            areas.append(_Area(filled, height * width, width, height, width, first_row, first_col, *size))
            filled += planes.size
            depth = max(depth, photo.depth if light == "display" else UNROUNDED)
        if not areas:
            raise _nothing_left(skipped)
        return cls(buffer[:filled], areas, kept, depth, patch_size)

    def draw(self, count: int, size: int, generator: torch.Generator, mirror: bool = False) -> PatchBatch:
        """Draws patches of `size` x `size`, every place of every photo equally likely.

        A patch of which more than half is clipped (0 or the maximum) says nothing of blur and is drawn again, up to
        REDRAWS times. With `mirror`, each patch is turned left-right with probability 1/2; its position stays that of
        the place it was cut from. The same generator state gives the same patches.

        Raises:
            ValueError: no photo in the pool is as large as a patch.
        """
        starts, centres, pitch = self._places(count, size, generator)
        values = self._gather(starts, size)
        for _ in range(REDRAWS):
            (again,) = torch.where(_mostly_clipped(values))
            if not len(again):
                break
            starts, centres[again], pitch[again] = self._places(len(again), size, generator)
            values[again] = self._gather(starts, size)
        pixels = values.float().div_(255.0) if values.dtype == torch.uint8 else values
        if mirror:
            chosen = torch.rand(count, generator=generator) < 0.5
            pixels[chosen] = pixels[chosen].flip(-1)
        return PatchBatch(pixels, centres, pitch)

    def split(self, fraction: float, seed: int) -> tuple[PatchPool, PatchPool]:
        """(the rest, a `fraction` of the photos held out), on the same memory; at least one photo in each.

        A single photo is cut across its longer side into two bands that share no pixel.

        Raises:
            UserError: a single photo that is too small for a patch in each band.
        """
        if self.photo_count == 1:
            rest, held = _bands(self._areas[0], fraction, self.patch_size)
            return self._with_areas([rest]), self._with_areas([held])
        held_count = min(max(round(fraction * self.photo_count), 1), self.photo_count - 1)
        chosen = set(np.random.default_rng(seed).permutation(self.photo_count)[:held_count].tolist())
        inside = [area for index, area in enumerate(self._areas) if index in chosen]
        outside = [area for index, area in enumerate(self._areas) if index not in chosen]
        return self._with_areas(outside), self._with_areas(inside)

    def _with_areas(self, areas: Sequence[_Area]) -> PatchPool:
        return PatchPool(self._buffer, areas, self.channels, self.depth, self.patch_size)

    def _places(self, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Indices into the buffer where patches begin, count x C x size (one per row); centre and pitch, count x 2."""
        offset, plane, stride, high, wide, first_row, first_col, photo_height, photo_width = self._table.T
        across = (wide - size + 1).clamp(min=0)
        places = (high - size + 1).clamp(min=0) * across
        ends = places.cumsum(0)
        if ends[-1] == 0:
            raise ValueError(f"no photo of the pool holds a patch of {size} x {size}")
        chosen = torch.randint(int(ends[-1]), (count,), generator=generator)
        area = torch.searchsorted(ends, chosen, right=True)
        within = chosen - (ends - places)[area]
        row, col = within // across[area], within % across[area]
        corner = offset[area] + row * stride[area] + col
        planes = corner[:, None] + plane[area, None] * torch.arange(self.channels)
        starts = planes[:, :, None] + stride[area, None, None] * torch.arange(size)
        middle = (size - 1) / 2
        height, width = (photo_height[area] - 1).clamp(min=1), (photo_width[area] - 1).clamp(min=1)
        down, right = (first_row[area] + row + middle) / height, (first_col[area] + col + middle) / width
        return starts, torch.stack([down, right], dim=1), torch.stack([1 / height, 1 / width], dim=1)

    def _gather(self, starts: Tensor, size: int) -> Tensor:
        """The rows that begin at `starts`, as patches count x C x size x size in the buffer's own type."""
        rows = self._buffer.unfold(0, size, 1)  # a view: row i is what begins at value i
        return rows.index_select(0, starts.reshape(-1)).view(*starts.shape, size)


def of_one_size(paths: Sequence[Path]) -> Generator[Event, None, list[Path]]:
    """Of photos those of the size that more than half of them have, yielding a PhotoSkipped for each other one; all
    where there is no such size. A crop has lost its place in the field of the lens.

    What cannot be read is passed on: `PatchPool.load` says why.
    """
    sizes: dict[Path, tuple[int, int]] = {}
    for path in paths:
        with suppress(UserError):
            header = read_header(path)
            sizes[path] = header.width, header.height
    usual, count = Counter(sizes.values()).most_common(1)[0] if sizes else ((0, 0), 0)
    if 2 * count <= len(sizes):
        return list(paths)
    kept = []
    for path in paths:
        size = sizes.get(path, usual)
        if size == usual:
            kept.append(path)
            continue
        reason = f"It is {size[0]} x {size[1]} pixels, most photos are {usual[0]} x {usual[1]}: it may be a crop."
        yield PhotoSkipped(str(path), reason)
    return kept


def check_sources(clean: Sequence[Path], degraded: Sequence[Path], patch_size: int, settings: Settings) -> list[Note]:
    """Looks at the headers of both sides before anything starts; single bad files are no error here.

    `patch_size` is the size of a patch in pixels, without what a blur needs around it.

    Returns:
        What is no error, and a person should know.

    Raises:
        UserError: a folder is missing or empty, both sides are the same photos and no rule splits them, no photo of a
            side has the aperture or the light that is asked for, no file of a side can be read, grey and colour are
            mixed, all photos of a side are smaller than a patch, or the region of clean photos is.
    """
    found = {"clean": find_photos(clean), "degraded": find_photos(degraded)}
    files = {name: _chosen(found[name], name, settings) for name in found}
    same = {path.resolve() for path in files["clean"]} == {path.resolve() for path in files["degraded"]}
    if same and settings.clean_region == 0:
        raise UserError(
            "The clean and the degraded photos are the same.",
            "What the lens does is learned from how the two differ.",
            "Choose sharp photos for one and blurred ones for the other; or split one folder, by two apertures "
            "(clean_aperture, degraded_aperture), or by taking clean patches from its middle (clean_region).",
        )
    _check_region(settings, patch_size)
    channels = {name: _check_side(name, files[name], patch_size) for name in ("clean", "degraded")}
    if channels["clean"] != channels["degraded"]:
        words = {1: "grey", 3: "in colour"}
        raise UserError(
            f"The clean photos are {words[channels['clean']]}, the degraded ones {words[channels['degraded']]}.",
            "Their patches could not be compared.",
            "Choose both grey, or both in colour.",
        )
    # Photos sharp in 15 % of their area, elsewhere blurred by a Gaussian: NCC of the start .70, of its own folder .998.
    return [Note(MEAN_OVER_FIELD)] if same and not settings.over_field else []


def _chosen(paths: Sequence[Path], name: str, settings: Settings) -> list[Path]:
    """The photos of a side that its rules take; the run itself names the others."""
    run = chosen(paths, name, settings)
    while True:
        try:
            next(run)
        except StopIteration as end:
            kept: list[Path] = end.value
            return kept


def _check_region(settings: Settings, patch_size: int) -> None:
    """Refuses a region of clean photos that holds no patch with what its blur takes away around it."""
    least = patch_size + settings.kernel_size - 1
    if 0 < settings.clean_region < least:
        raise UserError(
            f"The clean region of {settings.clean_region} px (clean_region) is too small.",
            f"A clean patch is {patch_size} px, and a kernel of {settings.kernel_size} px takes "
            f"{settings.kernel_size - 1} px more.",
            f"Choose {least} px or more, or 0 for the whole photo.",
        )


def _check_side(name: str, files: Sequence[Path], smallest: int) -> int:
    """The channels of the photos of one side, after its checks."""
    headers: dict[Path, PhotoHeader] = {}
    reasons: list[PhotoSkipped] = []
    for path in files:
        try:
            headers[path] = read_header(path)
        except UserError as error:
            reasons.append(PhotoSkipped(str(path), error.reason))
    if not headers:
        raise _nothing_left(reasons)
    channels = _common_channels(headers)
    largest = max(headers.values(), key=lambda header: min(header.width, header.height))
    if min(largest.width, largest.height) < smallest:
        raise UserError(
            f"All {name} photos are smaller than a patch.",
            f"A patch is {smallest} x {smallest} pixels; the largest photo is {largest.width} x {largest.height}.",
            "Choose larger photos, or a smaller patch or kernel in the settings.",
        )
    return channels


def _usable_header(path: Path, patch_size: int) -> PhotoHeader:
    """The header of a photo that is large enough."""
    header = read_header(path)
    if min(header.width, header.height) < patch_size:
        raise UserError(
            f"{path} cannot be used.",
            f"It is {header.width} x {header.height} pixels, smaller than a patch of {patch_size} x {patch_size}.",
        )
    return header


def _common_channels(headers: dict[Path, PhotoHeader]) -> int:
    """1 or 3, where all photos agree."""
    grey = [path for path, header in headers.items() if header.channels == 1]
    colour = [path for path, header in headers.items() if header.channels == 3]
    if grey and colour:
        fewer, word, many = (grey, "grey", len(colour)) if len(grey) <= len(colour) else (colour, "colour", len(grey))
        names = ", ".join(str(path) for path in fewer[:NAMED]) + (", …" if len(fewer) > NAMED else "")
        raise UserError(
            "Grey and colour photos are mixed.",
            f"Beside {many} others, these are {word}: {names}.",
            "Take them out, or convert them.",
        )
    return 1 if grey else 3


def _nothing_left(skipped: Sequence[PhotoSkipped]) -> UserError:
    """Not one photo could be used: the first reasons."""
    reasons = " ".join(f"{Path(one.path).name}: {one.reason}" for one in skipped[:NAMED])
    return UserError("No photo could be used.", reasons, "Choose other photos.")


def _shares(wanted: Sequence[int], budget: int) -> list[int]:
    """Equal shares of a budget; what the ones who want less leave over is shared by the others."""
    shares = [0] * len(wanted)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for position, index in enumerate(order):
        shares[index] = min(wanted[index], budget // (len(order) - position))
        budget -= shares[index]
    return shares


def _crop(size: tuple[int, ...], share: int, patch_size: int, random: np.random.Generator) -> tuple[int, int, int, int]:
    """(row, col, height, width) of a random rectangle of at most `share` pixels, shaped like the photo."""
    full_height, full_width = size
    if full_height * full_width <= share:
        return 0, 0, full_height, full_width
    scale = (share / (full_height * full_width)) ** 0.5
    height = min(max(int(full_height * scale), patch_size), share // patch_size)
    width = min(share // height, full_width)
    row = int(random.integers(full_height - height + 1))
    col = int(random.integers(full_width - width + 1))
    return row, col, height, width


def _central(size: tuple[int, ...], region: int) -> tuple[int, int, int, int]:
    """(row, col, height, width) of the region x region pixels in the middle of a photo, as far as it reaches; of all of
    it where the region is 0."""
    height, width = (min(length, region) if region else length for length in size[:2])
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


def _at_least(pixels: NDArray[np.float32], size: int) -> tuple[NDArray[np.float32], int, int]:
    """A photo H x W x C as it is where it is `size` high and wide, else with mirrored edges; rows above, columns left
    that were added."""
    down, right = (max(size - length, 0) for length in pixels.shape[:2])
    if down == right == 0:
        return pixels, 0, 0
    above, left = down // 2, right // 2
    return np.pad(pixels, ((above, down - above), (left, right - left), (0, 0)), mode="reflect"), above, left


def _planes(pixels: NDArray[np.float32], channels: int, exact: bool) -> NDArray[Any]:
    """Channels x H x W of a photo's pixels: bytes where those are exact, else float32."""
    if pixels.shape[2] != channels:
        luma: NDArray[Any] = pixels @ np.array(LUMA, dtype=np.float32)
        return luma[None]
    planes = np.moveaxis(pixels, 2, 0)
    return np.rint(planes * np.float32(255)).astype(np.uint8) if exact else planes


def _mostly_clipped(values: Tensor) -> Tensor:
    """Which of count x C x size x size values have more than half at 0 or at the maximum."""
    array = values.numpy()  # numpy compares bytes twenty times as fast as torch does
    clipped = torch.from_numpy((array == 0) | (array >= (255 if array.dtype == np.uint8 else WHITE)))
    return clipped.view(torch.uint8).flatten(1).sum(dim=1, dtype=torch.int32) > values[0].numel() // 2


def _bands(area: _Area, fraction: float, patch_size: int) -> tuple[_Area, _Area]:
    """A photo as two disjoint bands, the second with a `fraction` of its longer side but one patch at least."""
    length = max(area.height, area.width)
    held = max(round(fraction * length), patch_size)
    if length - held < patch_size:
        raise UserError(
            "The one photo is too small.",
            f"It is cut in two, and each part must hold a patch of {patch_size} x {patch_size} pixels.",
            "Add photos.",
        )
    if area.height >= area.width:
        return area.part(0, 0, length - held, area.width), area.part(length - held, 0, held, area.width)
    return area.part(0, 0, area.height, length - held), area.part(0, length - held, area.height, held)
