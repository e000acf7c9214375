"""PSFs from files of other programs, their conventions brought to those of `psf`, and for other programs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.blur.psf import CONVENTION, PsfGrid, centred, field_positions
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.files import write_aside
from ddm_gui.engine.photos.formats import fits

ARRAYS = (".npz", ".npy")  # endings of the files that hold kernels alone: neither noise nor light
READ = (".safetensors", *ARRAYS)  # endings of the files that `load_psf` reads
NAMES = ("kernels", "psf")  # what the array in an NPZ file is called, if there are several


def lens_name(path: Path) -> str:
    """What the lens of a PSF file is called: as the file is, or as its project where it is the result of one."""
    return path.absolute().parent.name if path.stem == "psf" else path.stem


def load_psf(path: Path) -> PsfGrid:
    """A PSF from `psf.safetensors`, or from the array of an NPZ or NPY file.

    The array is k x k, R x S x k x k, or R x S x C x k x k with C being 1 or 3. Tiny negatives, which models fitted to
    stars have, are cut off; all is centred, and each kernel sums to one. Such files do not tell the noise.

    Raises:
        UserError: the file is missing or damaged, or holds no such array.
    """
    if path.suffix.lower() not in ARRAYS:
        return PsfGrid.load(path)
    kernels = _as_grid(_array(path), path)
    if not np.isfinite(kernels).all() or (kernels.max(axis=(-2, -1)) <= 0).any():
        raise _no_psf(path, "Some of its kernels hold no light, or values that are no numbers.")
    return PsfGrid(centred(kernels.clip(min=0.0)), provenance={"file": str(path.absolute())})


def write_psf(psf: PsfGrid, path: Path) -> None:
    """A PSF for other programs, by the file's suffix; a file that is there is replaced.

    - `.npz`: the arrays `kernels` (rows x cols x channels x k x k), `rows` and `cols` (the nodes' field positions), and
      `about`, a JSON string with noise, light, convention, confidence and provenance.
    - `.tif`, `.tiff`: a stack of float32 pictures, which ImageJ shows with rows as time, columns as slices.
    - `.fits`: one image of five axes, float32, what `about` holds in the header and its history; confidence, where
      it is known, as a second image.
    - `.safetensors`: as the program itself keeps it.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    as_bytes = WRITERS.get(path.suffix.lower())
    if as_bytes is None:
        raise UserError(f"{path.name} is not the name of a PSF file.", "", f"Let it end in {', '.join(WRITERS)}.")
    try:
        write_aside(path, as_bytes(psf))
    except OSError as error:
        raise UserError(f"{path} cannot be written.", f"{error}.", "Choose another place.") from error


def _array(path: Path) -> NDArray[Any]:
    """The array of an NPY file, or the one of an NPZ file that is a PSF."""
    if not path.is_file():
        raise UserError(f"{path} does not exist.", "", "Choose another file.")
    try:
        with path.open("rb") as file:  # numpy leaves a file that it cannot read open
            content: NDArray[Any] | NpzFile = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return content
            found = {name: content[name] for name in content.files if content[name].ndim >= 2}
    except OSError as error:
        raise _no_psf(path, f"Reading it failed: {error}.") from error
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        # Not numpy's own words: they advise a setting that would run whatever the file holds.
        raise _no_psf(path, "It is damaged, or holds no plain arrays of numbers.") from error
    named = [found[name] for name in NAMES if name in found]
    if not named and len(found) != 1:
        raise _no_psf(path, f"It holds {len(found)} arrays that could be meant, and none is called {NAMES[0]}.")
    return (named or list(found.values()))[0]


def _as_grid(array: NDArray[Any], path: Path) -> NDArray[np.float64]:
    """R x S x C x k x k."""
    grid = array
    if array.ndim == 2:
        grid = array[None, None, None]
    elif array.ndim == 4:
        grid = array[:, :, None]
    shaped = grid.ndim == 5 and grid.shape[2] in (1, 3) and grid.shape[3] == grid.shape[4] and min(grid.shape) > 0
    if not shaped or grid.dtype.kind not in "fiu":
        raise _no_psf(path, f"Its array has the shape {array.shape}, and kernels are k x k, or R x S x (C x) k x k.")
    return grid.astype(np.float64)


def _no_psf(path: Path, why: str) -> UserError:
    return UserError(f"{path} is not a PSF file that can be read.", why, "Choose another file.")


def _about(psf: PsfGrid) -> dict[str, Any]:
    """What goes with the kernels, for JSON."""
    return {
        "convention": CONVENTION,
        "noise_sigma": psf.noise_sigma,
        "light": psf.light,
        "kernel_error": psf.kernel_error,
        "photon_noise": None if psf.photon_noise is None else asdict(psf.photon_noise),
        "confidence": None if psf.confidence is None else psf.confidence.tolist(),
        "provenance": dict(psf.provenance),
    }


def _as_npz(psf: PsfGrid) -> bytes:
    rows, cols = psf.nodes
    content = io.BytesIO()
    arrays: dict[str, Any] = {
        "kernels": psf.kernels,
        "rows": np.array(field_positions(rows)),
        "cols": np.array(field_positions(cols)),
        "about": np.array(json.dumps(_about(psf))),
    }
    np.savez(content, **arrays)
    return content.getvalue()


def _as_tiff(psf: PsfGrid) -> bytes:
    content = io.BytesIO()
    about = {"axes": "TZCYX", "Info": json.dumps(_about(psf))}
    tifffile.imwrite(content, psf.kernels, imagej=True, metadata=about)
    return content.getvalue()


def _as_fits(psf: PsfGrid) -> bytes:
    names = ("COL", "ROW", "CHANNEL", "NODE COL", "NODE ROW")
    cards = [fits.card(f"CTYPE{axis}", name) for axis, name in enumerate(names, start=1)]
    cards += [
        fits.card("NOISE", psf.noise_sigma if psf.noise_sigma is not None else "unknown", "sigma, range of 1"),
        *(_photon_cards(psf.photon_noise) if psf.photon_noise is not None else ()),
        fits.card("LIGHT", psf.light, "what the kernels blur"),
        fits.card("KERNERR", psf.kernel_error, "how far a kernel may be from the truth"),
    ]
    for line in (CONVENTION, json.dumps(dict(psf.provenance))):
        cards += fits.history(line)
    parts = [fits.hdu(psf.kernels, cards)]
    if psf.confidence is not None:
        parts.append(fits.hdu(psf.confidence, extension="CONFIDENCE"))
    return b"".join(parts)


def _photon_cards(noise: PhotonNoise) -> tuple[bytes, bytes]:
    return (
        fits.card("SHOT", noise.shot, "variance of the noise from black to white"),
        fits.card("READ", noise.read, "variance of the noise at black"),
    )


WRITERS: dict[str, Callable[[PsfGrid], bytes]] = {
    ".safetensors": PsfGrid.as_bytes,
    ".npz": _as_npz,
    ".tif": _as_tiff,
    ".tiff": _as_tiff,
    ".fits": _as_fits,
}
