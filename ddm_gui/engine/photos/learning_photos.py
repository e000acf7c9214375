"""Which photos of a folder are learned from, and how they are read: by aperture, by light, without vignetting."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from ddm_gui.engine.apertures import asked, counted, written
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoSkipped
from ddm_gui.engine.photos.photo import Photo, check_light, is_raw, read
from ddm_gui.engine.photos.shot import read_shot
from ddm_gui.engine.photos.vignetting import available, divided_out
from ddm_gui.engine.settings import Settings


def chosen(paths: Sequence[Path], name: str, settings: Settings) -> Generator[Event, None, list[Path]]:
    """Of the photos of a side, 'clean' or 'degraded', those that its rules take; a PhotoSkipped for each other.

    In linear light these are RAW files and those that tell their tone curve; and they are of the side's aperture where
    one is asked for.

    Raises:
        UserError: none is left. For an aperture, those that were found are listed.
    """
    if settings.light == "linear":
        paths = yield from _in_linear_light(paths, name)
    rule = f"{name}_aperture"
    wanted = asked(getattr(settings, rule), rule)
    if wanted is None:
        return list(paths)
    apertures = {path: read_shot(path).aperture for path in paths}
    kept = [path for path in paths if wanted.hold(apertures[path])]
    if not kept:
        raise UserError(
            f"No {name} photo was taken at {wanted.text} ({rule}).",
            f"The apertures of these photos are: {counted(apertures.values())}.",
            "Choose one of them, or 'any'.",
        )
    for path, aperture in apertures.items():
        if not wanted.hold(aperture):
            found = "Its aperture is not known" if aperture is None else f"It was taken at {written(aperture)}"
            yield PhotoSkipped(str(path), f"{found}, and {wanted.text} is asked for.")
    return kept


def _in_linear_light(paths: Sequence[Path], name: str) -> Generator[Event, None, list[Path]]:
    kept, reasons = [], {}
    for path in paths:
        try:
            check_light(path, "linear")
        except UserError as error:
            reasons[path] = error.why
        else:
            kept.append(path)
    if not kept:
        raise UserError(
            f"None of the {name} photos can be read in linear light, which was asked for (light).",
            f"{paths[0].name}: {reasons[paths[0]]}",
            "Choose RAW photos or such with a colour profile for both folders, or light display.",
        )
    for path, reason in reasons.items():
        yield PhotoSkipped(str(path), f"{reason} Linear light is asked for.")
    return kept


class Reading:
    """Reads photos in the light of the settings; vignetting is divided out of RAW photos of lenses that are known."""

    def __init__(self, settings: Settings) -> None:
        self._light = settings.light
        self._divides = settings.vignetting and available()
        self._lenses: dict[str, bool] = {}  # of which vignetting is divided out; whether that was said

    def __call__(self, path: Path) -> Photo:
        """One photo.

        Raises:
            UserError: it cannot be read, see `photo.read`; or one sees through it, and what is hidden would be learned.
        """
        photo = read(path, self._light)
        if photo.is_transparent:
            raise UserError(
                f"{path} is transparent in places.", "What is hidden there is no photo.", "Choose photos without."
            )
        if not (self._divides and is_raw(path)):
            return photo
        shot = read_shot(path)
        even = divided_out(photo, shot)
        if even is None:
            return photo
        self._lenses.setdefault(shot.lens or "", False)
        return even

    def news(self) -> Generator[Note, None, None]:
        """A sentence on each lens whose vignetting was divided out since the last call, once in a run."""
        for lens, said in self._lenses.items():
            if not said:
                yield Note(f"Vignetting of {lens} is divided out.")
        self._lenses = dict.fromkeys(self._lenses, True)
