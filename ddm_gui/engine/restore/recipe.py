"""A recipe: which restorer, with which settings, how strongly; and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.denoiser_files import default_denoiser
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.evidence import MOVED, Evidence, evidence
from ddm_gui.engine.restore.field_filter import cores
from ddm_gui.engine.restore.plan import Budget, Plan, of_photo, plans, ran_out_of_memory, told, within
from ddm_gui.engine.restore.restorer import Blurred, Known, Pixels, Restorer, Steps, drained, pixel_weights
from ddm_gui.engine.restore.tiles import bands
from ddm_gui.engine.restore.trust import away_from_clipping, sureness, unclipped
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener

RESTORERS: dict[str, type[Restorer]] = {kind.name: kind for kind in (Wiener, TotalVariation, Dpir)}

UNFIT = "The kernel does not fit this photo."


@dataclass(frozen=True)
class Recipe:
    """How photos are restored. `strength`, in percent: 0 gives the photo back exactly, 100 all that the restorer says.

    Raises:
        UserError: the strength is out of its bounds.
    """

    restorer: Restorer = field(default_factory=Wiener)
    strength: float = 100.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 100.0:
            raise UserError(f"The strength cannot be {self.strength:g} %.", "It may be 0 to 100 %.")

    def content(self) -> dict[str, Any]:
        """As `project.ddm` holds it."""
        return {"restorer": self.restorer.name, "strength": self.strength, "settings": asdict(self.restorer)}

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Recipe:
        """What `content` gave.

        Raises:
            UserError: it is damaged, or holds what this version of the program does not know.
        """
        try:
            name, strength, settings = content["restorer"], content["strength"], dict(content["settings"])
            if not isinstance(name, str) or isinstance(strength, bool) or not isinstance(strength, int | float):
                raise TypeError(f"restorer is {name!r}, and strength is {strength!r}")
            return cls(restorer_of(name, settings), float(strength))
        except (KeyError, TypeError, ValueError, UserError) as error:
            why = str(error) if isinstance(error, UserError) else f"Reading it failed: {error!r}."
            todo = "Choose a restorer in the window, which is saved in its place; or restore with --psf."
            raise UserError("The recipe that is saved in the project cannot be used.", why, todo) from error


def default_recipe(light: str) -> Recipe:
    """How photos in this light are restored where nobody chose: by plug and play with one's own denoiser where that was
    measured to be better than a Wiener filter; else by that filter."""
    own = default_denoiser(light)
    return Recipe() if own is None else Recipe(Dpir(denoiser=own.name))


def restorer_of(name: str, settings: Mapping[str, Any]) -> Restorer:
    """A restorer by name, with these settings; one that belongs to another is never ignored.

    Raises:
        UserError: there is no such restorer or setting, or a value is out of its bounds.
    """
    if name not in RESTORERS:
        raise UserError(f"There is no restorer called '{name}'.", "", f"The restorers are: {', '.join(RESTORERS)}.")
    kind = RESTORERS[name]
    known = [item.name for item in fields(kind)]
    foreign = sorted(set(settings) - set(known))
    if foreign:
        raise UserError(
            f"{foreign[0]} does not belong to the restorer {name}.",
            "It would change nothing.",
            f"The settings of {name} are: {', '.join(known)}.",
        )
    return kind(**settings)


@dataclass(frozen=True, eq=False)
class Corrected:
    """A photo, and what the restorer says of it at full strength: `pixels`, H x W x C, not clipped; and how far that is
    borne out, where it was asked. `plan` is as in `Restored`."""

    photo: Photo
    pixels: Pixels
    evidence: Evidence | None
    plan: str = ""

    def at(self, strength: float) -> Photo:
        """So much of the correction, in percent: 0 gives the photo itself."""
        if strength == 0.0:
            return self.photo
        mixed = np.empty_like(self.pixels)
        _mix(self.photo, self.pixels, strength, out=mixed)
        return self.photo.with_pixels(mixed)


@dataclass(frozen=True, eq=False)
class Restored:
    """A restored photo, and how far it is borne out by the photo; that is not known at strength 0. `plan`: how it was
    worked on, where memory asked for another way than the usual one."""

    photo: Photo
    evidence: Evidence | None
    plan: str = ""


def restore_photo(photo: Photo, psf: PsfGrid, recipe: Recipe | None = None, device: str = "cpu") -> Photo:
    """The photo without the blur: see `restore`."""
    return restore(photo, psf, recipe or Recipe(), device, judged=False).photo


def restore(
    photo: Photo,
    psf: PsfGrid,
    recipe: Recipe,
    device: str = "cpu",
    judged: bool = True,
    budget: Budget | None = None,
) -> Restored:
    """The photo without the blur.

    Args:
        photo: of 1 or 3 channels, any size.
        psf: kernels for the whole photo or over its field, of one channel (for all colours) or of as many as the photo
            has.
        recipe: how.
        device: 'cpu' or 'cuda:0' and so on; restorers without a network always run on the CPU.
        judged: whether the evidence is looked for, which takes about as long as a Wiener filter.
        budget: of memory; where it asks for smaller tiles than usual, or where memory runs out and they do on the way,
            `Restored.plan` says so.

    Returns:
        The photo with other pixels, within its bounds; depth, orientation and metadata are kept. A kernel that does
        not blur leaves the photo as it is (Wiener). Where the kernel is not sure of itself less is corrected, and
        around areas that were clipped, which would ring.

    Raises:
        UserError: the kernel's colours do not fit the photo's, or its light is another; or what came out cannot be
            right: it holds values that are no numbers, is one even area, or its mean colour has moved.
    """
    return drained(restoring(photo, psf, recipe, device, judged, budget))


def restoring(
    photo: Photo,
    psf: PsfGrid,
    recipe: Recipe,
    device: str = "cpu",
    judged: bool = True,
    budget: Budget | None = None,
) -> Steps[Restored]:
    """`restore`, step by step: it can be followed, and stopped."""
    _check_fits(psf, photo)
    if recipe.strength == 0.0:
        return Restored(photo, None)
    found = yield from correcting(photo, psf, recipe.restorer, device, judged, budget)
    _mix(photo, found.pixels, recipe.strength, out=found.pixels)
    return Restored(photo.with_pixels(found.pixels), found.evidence, found.plan)


def bytes_needed(shape: tuple[int, ...], psf: PsfGrid, restorer: Restorer, device: str, budget: Budget) -> float:
    """What a photo H x W x C needs of this machine's memory while it is restored, but for the program itself.

    Raises:
        UserError: it is more than the budget, however the photo is cut up.
    """
    of_tiles = partial(restorer.bytes_of_tiles, psf)
    plan = within(budget, restorer.usual_plan(device), shape, of_tiles)
    return of_photo(shape) + of_tiles(shape[2], plan)


def correcting(
    photo: Photo,
    psf: PsfGrid,
    restorer: Restorer,
    device: str = "cpu",
    judged: bool = True,
    budget: Budget | None = None,
) -> Steps[Corrected]:
    """`restore` at full strength, step by step: it can be followed, stopped, and any strength taken of it."""
    _check_fits(psf, photo)
    seen, variance = unclipped(photo), restorer.variance(photo, psf)
    noises = restorer.noises(photo, psf) if variance is None else restorer.overall_noises(variance)
    usual = restorer.usual_plan(device)
    planned = within(budget or Budget(), usual, photo.pixels.shape, partial(restorer.bytes_of_tiles, psf))
    blurred = Blurred(photo, psf, noises, pixel_weights(seen, variance, max(noises)))
    pixels, plan = yield from _worked_out(restorer, blurred, planned)
    _refuse_ruined(photo.pixels, pixels)
    found = None
    if judged:
        found = evidence(photo, pixels, psf, noises, variance)
        if found.moved > MOVED:
            raise UserError(f"The restored photo's colour has moved by {100 * found.moved:.0f} %.", UNFIT)
    _trust(photo.pixels, pixels, psf, seen)
    return Corrected(photo, pixels, found, told(usual, planned, plan))


def _worked_out(restorer: Restorer, blurred: Blurred, planned: Plan) -> Steps[tuple[Pixels, Plan]]:
    """What a restorer makes of a photo, by the first plan, from the planned one on, for which there is memory."""
    for plan in plans(planned):
        try:
            return (yield from restorer.restoring(blurred, plan)), plan
        except (MemoryError, RuntimeError) as error:
            if not ran_out_of_memory(error):
                raise
    raise UserError(
        "There is not enough memory to restore the photo.", "", "Close other programs, or take a smaller photo."
    )


def _trust(before: Pixels, after: Pixels, psf: PsfGrid, seen: Known | None) -> None:
    """Corrects only as far as is sure: in place, in bands of rows."""
    height, width, channels = before.shape

    def work(rows: slice) -> None:
        part = after[rows]
        for share in (sureness(psf, height, width, channels, rows), away_from_clipping(seen, psf, rows)):
            if share is not None:
                part = before[rows] + share * (part - before[rows])
        after[rows] = part

    _in_bands(work, height)


def _mix(photo: Photo, after: Pixels, strength: float, out: Pixels) -> None:
    """So much of the correction, in percent, clipped to the photo's bounds: in bands of rows, also in place."""
    before = photo.pixels

    def work(rows: slice) -> None:
        part = after[rows]
        if strength < 100.0:
            part = before[rows] + np.float32(strength / 100.0) * (part - before[rows])
        np.clip(part, *photo.bounds, out=out[rows])

    _in_bands(work, len(after))


def _in_bands(work: Callable[[slice], None], height: int) -> None:
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(work, bands(0, height)):
            pass  # what is raised in a band is raised here


def _check_fits(psf: PsfGrid, photo: Photo) -> None:
    """Refuses a PSF that cannot be used on a photo."""
    channels = photo.pixels.shape[2]
    if psf.channels not in (1, channels):
        raise UserError(
            f"The photo has {channels} colour channel and the PSF has {psf.channels}.",
            "A PSF with one kernel per colour fits colour photos only.",
            "Learn a PSF with one blur for all colours.",
        )
    if photo.light != psf.light:
        raise UserError(
            f"The photo is in {photo.light} light, and the PSF was learned in {psf.light} light.",
            "Between the two lies a tone curve, so what blurs one does not blur the other in the same way.",
            f"Read the photo in {psf.light} light, or learn a PSF in {photo.light} light.",
        )


def _refuse_ruined(before: Pixels, after: Pixels) -> None:
    """No photo that cannot be right: better none than one that looks like a result."""
    low, high = float(after.min()), float(after.max())  # not a number where one is none
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UserError("The restored photo holds values that are no numbers.", UNFIT)
    if low == high and np.ptp(before) > 0.0:
        raise UserError("The restored photo is one even area.", UNFIT)
