"""PSFs from files of other programs. Their conventions are brought to those of `psf`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.psf import PsfGrid, centred

NAMES = ("kernels", "psf")  # what the array in an NPZ file is called, if there are several


def load_psf(path: Path) -> PsfGrid:
    """A PSF from `psf.safetensors`, or from the array of an NPZ or NPY file.

    The array is k x k, R x S x k x k, or R x S x C x k x k with C being 1 or 3. Tiny negatives, which models fitted to
    stars have, are cut off; all is centred, and each kernel sums to one. Such files do not tell the noise.

    Raises:
        UserError: the file is missing or damaged, or holds no such array.
    """
    if path.suffix.lower() not in (".npz", ".npy"):
        return PsfGrid.load(path)
    kernels = _as_grid(_array(path), path)
    if not np.isfinite(kernels).all() or (kernels.max(axis=(-2, -1)) <= 0).any():
        raise _no_psf(path, "Some of its kernels hold no light, or values that are no numbers.")
    return PsfGrid(centred(kernels.clip(min=0.0)), provenance={"file": str(path.absolute())})


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
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise _no_psf(path, f"Reading it failed: {error}.") from error
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
