"""A folder of clean photos made into a set whose blur is known: to try the program on, and to measure it by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ddm_gui
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, Note, PhotoSimulated, PhotoSkipped
from ddm_gui.engine.photos.linear_dng import write_linear
from ddm_gui.engine.photos.photo import Photo, find_photos, is_raw, read, read_header, rounded, targets, write
from ddm_gui.engine.photos.tone_curve import to_linear
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.blurs import check_noise
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.known_set import KnownSet

DEPTHS = {"png": 8, "tiff16": 16, "dng": 16}  # bits per value of the files that are written
LIGHTS = {"png": "display", "tiff16": "display", "dng": "linear"}  # what they hold
NOISE, SPLIT = 1, 2  # independent streams of random numbers from one seed


def simulate_set(
    inputs: Sequence[Path],
    output: Path,
    psf: PsfGrid,
    seed: int = 0,
    split: bool = False,
    file_format: str = "png",
) -> Generator[Event, None, KnownSet]:
    """Degrades clean photos into a folder, one file each in `degraded`, the photos themselves beside them in `sharp`.

    Photos keep their names, tags and colours; those in `sharp` are rounded to the depth of the files, and blurred as
    such. Grey photos stay grey: a lens with a kernel per colour blurs them by the mean of its kernels, and if there are
    no others, the truth is that mean. In linear light (DNG) only colour photos are taken: RAW as it is, others with
    sRGB's tone curve undone; of their tags only how they are turned is kept. With `split` a random half of the photos
    goes into `clean` as it is, and only the other half is degraded: one domain, no photo on both sides.

    Each file is complete or not there, so the run may be closed at any event. Called again with the same arguments it
    keeps the photos that are there and makes those that are missing, the same as if it had never stopped.

    Args:
        inputs: clean photos and folders of them.
        output: the folder, made if needed.
        psf: the blur and the noise, e.g. of `simulated_psf`, or a learned one.
        seed: of the noise, and of the halves.
        split: as above.
        file_format: 'png' (8 bits), 'tiff16', or 'dng' (16 bits in linear light, as a PSF of linear light asks for).

    Yields:
        PhotoSimulated or PhotoSkipped for each photo that was not there, after its files are complete.

    Raises:
        UserError: before anything is written: there is no photo that can be used, none to split, the folder lies in
            that of the photos, holds something else or cannot be written, or the PSF has no noise or another light.
    """
    _check(psf, seed, LIGHTS[file_format])
    sources = find_photos(inputs)
    known = KnownSet(output)
    _refuse_mixing(inputs, sources, known)
    degraded = _degraded_half(len(sources), seed) if split else set(range(len(sources)))
    if split and len(sources) == 1:
        raise UserError("One photo cannot be split in two halves.", "", "Choose more photos, or do not split them.")
    bad, channels = _looked_at([sources[index] for index in sorted(degraded)], psf)
    about = {
        "seed": seed,
        "split": split,
        "format": file_format,
        "photos": [str(source.absolute()) for source in sources],
    }
    truth = _truth(psf, channels, about)
    _begin(known, truth, split)

    names = [place.name for place in targets(sources, output, file_format)]
    places = [known.degraded if index in degraded else known.clean for index in range(len(sources))]
    there = {name for folder, name in zip(places, names, strict=True) if (folder / name).is_file()}
    if there:
        yield Note(f"{len(there)} of {len(sources)} photos are there already.")
    for index, (source, folder, name) in enumerate(zip(sources, places, names, strict=True)):
        if name in there:
            continue
        try:
            if source in bad:
                raise bad[source]
            photo = _read(source, psf.light)
            if index in degraded:
                noise = np.random.default_rng([seed, NOISE, index])  # its own: the same, wherever a run went on
                write_pair(photo, known, name, truth, noise, file_format)
            else:
                _write(rounded(photo, DEPTHS[file_format]), folder / name, file_format)
        except UserError as error:
            yield PhotoSkipped(str(source), str(error))
        else:
            yield PhotoSimulated(str(source), str(folder / name), index + 1, len(sources))
    if not any(known.degraded.iterdir()):
        raise UserError("None of the photos could be used.", "The reason of each is above.", "Choose others.")
    try:
        truth.save(known.truth)
        _unfinished(known).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{known.truth} cannot be written.", f"{error}.", "Choose another output folder.") from error
    return known


def write_pair(
    photo: Photo, known: KnownSet, name: str, psf: PsfGrid, rng: np.random.Generator, file_format: str = "png"
) -> None:
    """One photo, rounded to the depth of its files, into `sharp`, and what the lens makes of it into `degraded`.

    Raises:
        UserError: a file cannot be written.
    """
    sharp = rounded(photo, DEPTHS[file_format])
    kernels = psf.kernels if sharp.pixels.shape[2] == 3 else _grey(psf.kernels)
    noise = psf.photon_noise or psf.noise_sigma or 0.0
    pixels = degrade(sharp.pixels, kernels[0, 0] if psf.nodes == (1, 1) else kernels, noise, rng)
    _write(sharp, known.sharp / name, file_format)
    _write(sharp.with_pixels(pixels), known.degraded / name, file_format)


def _read(source: Path, light: str) -> Photo:
    """A clean photo in the light of the set.

    Raises:
        UserError: it cannot be read, or is grey and would be written in linear light.
    """
    photo = read(source, light if is_raw(source) else "display")
    if light == "linear" and photo.pixels.shape[2] == 1:
        raise _grey_refused(source)
    return photo if photo.light == light else replace(photo, pixels=to_linear(photo.pixels), light=light)


def _grey_refused(source: Path) -> UserError:
    return UserError(f"{source} is grey.", "In linear light photos are written in colour.", "Choose colour photos.")


def _write(photo: Photo, path: Path, file_format: str) -> None:
    if file_format == "dng":
        write_linear(photo, path)
    else:
        write(photo, path)  # of its depth, in the format that its ending says


def _truth(psf: PsfGrid, channels: int, about: Mapping[str, Any]) -> PsfGrid:
    """The PSF of a set whose photos have so many channels, and how the set was made: equal only for equal sets."""
    kernels = psf.kernels if channels == 3 else _grey(psf.kernels)
    provenance = {
        "source": "ddm simulate",
        "program": {"name": "ddm_gui", "version": ddm_gui.__version__},
        "kernel": {**psf.provenance, "sha256": hashlib.sha256(psf.kernels.tobytes()).hexdigest()},
        "noise_sigma": psf.noise_sigma,
        **({} if psf.photon_noise is None else {"photon_noise": asdict(psf.photon_noise)}),
        **about,
    }
    provenance = json.loads(json.dumps(provenance))
    return PsfGrid(kernels, psf.noise_sigma, psf.light, provenance, photon_noise=psf.photon_noise)


def _grey(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """R x S x 1 x k x k: what R x S x C x k x k do to white light, if a sensor tells no colours apart."""
    mean: NDArray[np.float32] = kernels.mean(axis=2, keepdims=True)
    return mean


def _check(psf: PsfGrid, seed: int, light: str) -> None:
    """Refuses what photos cannot be degraded by."""
    if psf.noise_sigma is None:
        raise UserError("This PSF does not say how much noise there is.", "", "Give the noise as well.")
    if psf.light != light:
        raise UserError(
            f"This PSF was learned in {psf.light} light.",
            f"Photos of this format are written in {light} light, and blurred so.",
            f"Choose a PSF that was learned in {light} light, or another format: dng is in linear light.",
        )
    check_noise(psf.noise_sigma)
    Settings(seed=seed)  # refuses what is out of bounds


def _degraded_half(count: int, seed: int) -> set[int]:
    """Which of so many photos are degraded: a random half, the larger one where they differ."""
    order = np.random.default_rng([seed, SPLIT]).permutation(count)
    return {int(index) for index in order[count // 2 :]}


def _looked_at(sources: Sequence[Path], psf: PsfGrid) -> tuple[dict[Path, UserError], int]:
    """By their headers: the photos that cannot be degraded, and 3 channels if one of the others has, or 1.

    Raises:
        UserError: none can be degraded; it is said why for one of them.
    """
    bad: dict[Path, UserError] = {}
    channels = 1
    for source in sources:
        try:
            header = read_header(source)
        except UserError as error:
            bad[source] = error
            continue
        if psf.light == "linear" and header.channels == 1:
            bad[source] = _grey_refused(source)
        elif min(header.width, header.height) < psf.size:
            bad[source] = UserError(
                f"{source} is smaller than the kernel.",
                f"It is {header.width} x {header.height} pixels, and the kernel {psf.size} x {psf.size}.",
                "Choose larger photos, or a smaller kernel.",
            )
        else:
            channels = max(channels, header.channels)
    if len(bad) == len(sources):
        first = bad[sources[0]]
        raise UserError(
            "No photo can be degraded.", f"{first.what} {first.why}".strip(), first.todo or "Choose others."
        )
    return bad, channels


def _refuse_mixing(inputs: Sequence[Path], sources: Sequence[Path], known: KnownSet) -> None:
    """What is made and what it is made from must not lie in one folder: the next run would take one for the other."""
    output = known.root.resolve()
    for folder in (path.resolve() for path in inputs if path.is_dir()):
        if folder == output or folder in output.parents:
            raise UserError(
                f"{known.root} lies in the folder of the clean photos.",
                "What is made of photos does not belong among them.",
                "Choose another output folder.",
            )
    own = {folder.resolve() for folder in (known.clean, known.degraded, known.sharp)}
    for source in sources:
        if source.resolve().parent in own:
            raise UserError(
                f"{source} lies in {known.root}, where the set is to be made.",
                "An original is never overwritten.",
                "Choose another output folder.",
            )


def _begin(known: KnownSet, truth: PsfGrid, split: bool) -> None:
    """Makes the folders, if they do not hold anything else, and says in a file what is going to be in them."""
    unfinished = _unfinished(known)
    told = next((path for path in (known.truth, unfinished) if path.is_file()), None)
    if told is not None and _provenance(told) != truth.provenance:
        raise UserError(
            f"{known.root} holds another set.",
            "It was made from other photos, or by another kernel, noise, seed or version.",
            "Choose another output folder, or delete that set.",
        )
    try:
        photos = [path for folder in (known.clean, known.degraded, known.sharp) for path in folder.glob("*")]
        if told is None and photos:
            raise UserError(
                f"{known.root} holds photos already.",
                f"{photos[0]} is not of a set that was made here.",
                "Choose another output folder.",
            )
        known.root.mkdir(parents=True, exist_ok=True)
        if told is None:
            truth.save(unfinished)
        for folder in (known.degraded, known.sharp, *([known.clean] if split else [])):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"{known.root} cannot be written to.", f"{error}.", "Choose another output folder.") from error


def _unfinished(known: KnownSet) -> Path:
    """What will be the truth: a set that was stopped is known by it."""
    return known.root / "truth.unfinished.safetensors"


def _provenance(path: Path) -> Mapping[str, Any] | None:
    """How the set was made that a PSF file tells of; None where it cannot be read."""
    try:
        return PsfGrid.load(path).provenance
    except UserError:
        return None
