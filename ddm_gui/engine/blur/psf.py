"""The point spread function over the field: a grid of kernels, its file, and its conventions. numpy only.

A kernel is the picture of a point of light: row 0 on top, channels in the order R, G, B, its origin at pixel k//2 in
both axes, for even k too. Grid node (r, c) of R x C lies at field position (r/(R-1), c/(C-1)), 0.5 where R or C is 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as safetensors_bytes
from scipy.ndimage import shift as spline_shift

from ddm_gui.engine.blur.noise import MIDDLE_GREY, PhotonNoise
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.files import write_aside

FORMAT_VERSION = 1
BORDER = 2  # pixels of dark around a kernel while it is shifted
CONVENTION = "true convolution; row 0 on top; origin at k//2; channels R, G, B; each kernel sums to one"


@dataclass(frozen=True, eq=False)
class PsfGrid:
    """Kernels over the field: `kernels` is float32, rows x cols x channels x k x k, read-only.

    `noise_sigma` is the noise by which degraded photos exceed clean ones (range of 1), None where unknown; where it is
    known how it grows with light, `photon_noise`, it is that of middle grey. `light` is 'display' (the photo's own
    encoding) or 'linear', which alone may have photon noise. `provenance` is free JSON: sources, settings, versions,
    seeds. `kernel_error` is how far each kernel may be from the truth, the sum over pixels of the squared difference.
    `confidence`, where it is known, is the NCC with the truth to be expected of each kernel, rows x cols x channels in
    [0, 1].
    """

    kernels: NDArray[np.float32]
    noise_sigma: float | None = None
    light: str = "display"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    kernel_error: float = 0.0
    confidence: NDArray[np.float32] | None = None
    photon_noise: PhotonNoise | None = None

    def __post_init__(self) -> None:
        kernels = np.array(self.kernels, dtype=np.float32, copy=True)
        if kernels.ndim != 5 or kernels.shape[3] != kernels.shape[4] or kernels.shape[2] not in (1, 3):
            raise ValueError(f"kernels must be rows x cols x (1 or 3) x k x k, not {kernels.shape}")
        if self.light not in ("display", "linear"):
            raise ValueError(f"light must be 'display' or 'linear', not {self.light!r}")
        if self.photon_noise is not None:
            if self.light != "linear":
                raise ValueError("photon noise is of linear light")
            object.__setattr__(self, "noise_sigma", self.photon_noise.sigma(MIDDLE_GREY))
        kernels.flags.writeable = False
        object.__setattr__(self, "kernels", kernels)
        if self.confidence is not None:
            confidence = np.array(self.confidence, dtype=np.float32, copy=True)
            if confidence.shape != kernels.shape[:3]:
                raise ValueError(f"confidence must be rows x cols x channels, not {confidence.shape}")
            confidence.flags.writeable = False
            object.__setattr__(self, "confidence", confidence)

    @property
    def size(self) -> int:
        """k, the width and height of each kernel in pixels."""
        return int(self.kernels.shape[-1])

    @property
    def channels(self) -> int:
        """1 (one blur for all colours) or 3 (R, G, B)."""
        return int(self.kernels.shape[2])

    @property
    def nodes(self) -> tuple[int, int]:
        """(rows, cols) of the grid; (1, 1) where one kernel serves the whole photo."""
        rows, cols = self.kernels.shape[:2]
        return int(rows), int(cols)

    def at(self, row: float, col: float) -> NDArray[np.float32]:
        """The kernels C' x k x k at a field position in [0, 1], bilinear between the nodes around it."""
        rows, cols = self.nodes
        down, across = node_weights(rows, np.array([row])), node_weights(cols, np.array([col]))
        weights = np.outer(down[:, 0], across[:, 0]).astype(np.float32)
        mixed: NDArray[np.float32] = np.tensordot(weights, self.kernels, axes=2)
        return mixed

    def save(self, path: Path) -> None:
        """Writes `psf.safetensors`."""
        write_aside(path, self.as_bytes())

    def as_bytes(self) -> bytes:
        """What `psf.safetensors` holds: the tensor `kernels`, where it is known `confidence`, and one JSON string of
        metadata under the key `ddm`."""
        rows, cols = self.nodes
        about = {
            "format_version": FORMAT_VERSION,
            "noise_sigma": self.noise_sigma,
            "convention": CONVENTION,
            "field_positions": {"rows": field_positions(rows), "cols": field_positions(cols)},
            "light": self.light,
            "provenance": dict(self.provenance),
            "kernel_error": self.kernel_error,
        }
        if self.photon_noise is not None:
            about["photon_noise"] = asdict(self.photon_noise)
        tensors = {"kernels": np.ascontiguousarray(self.kernels)}
        if self.confidence is not None:
            tensors["confidence"] = np.ascontiguousarray(self.confidence)
        return safetensors_bytes(tensors, metadata={"ddm": json.dumps(about)})

    @classmethod
    def load(cls, path: Path) -> PsfGrid:
        """Reads what `save` wrote.

        Raises:
            UserError: the file is missing, damaged, or not a PSF file of a version that this program knows.
        """
        if not path.is_file():
            raise UserError(f"{path} does not exist.", "", "Learn a kernel first, or choose another psf.safetensors.")
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads((file.metadata() or {})["ddm"])
                kernels = file.get_tensor("kernels")
                confidence = file.get_tensor("confidence") if "confidence" in file.keys() else None  # noqa: SIM118
            version = int(about["format_version"])
            error = float(about.get("kernel_error", 0.0))
            photon = PhotonNoise(**about["photon_noise"]) if "photon_noise" in about else None
            grid = cls(kernels, about["noise_sigma"], about["light"], about["provenance"], error, confidence, photon)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path} is not a PSF file that can be read.", f"Reading it failed: {error}.", "Choose another file."
            ) from error
        if version > FORMAT_VERSION:
            raise UserError(
                f"{path} was written by a newer version of this program.",
                f"Its format version is {version}; this program knows versions up to {FORMAT_VERSION}.",
                "Update the program.",
            )
        return grid


def field_positions(count: int) -> list[float]:
    """Where the nodes along one axis of the grid, or the pixels along one of a photo, lie in the field, in [0, 1]."""
    return [0.5] if count == 1 else [index / (count - 1) for index in range(count)]


def node_weights(count: int, positions: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """count x n: how much each of the nodes along an axis counts at n positions; over the nodes it sums to one.

    Bilinear interpolation, one axis of it. Positions beyond [0, 1] are those of the edge.
    """
    if count == 1:
        return np.ones((1, len(positions)))
    places = np.clip(positions.astype(np.float64), 0.0, 1.0) * (count - 1)
    return np.maximum(0.0, 1.0 - np.abs(places - np.arange(count)[:, None]))


def centroid(kernels: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Centre of mass (row, col), in pixels, of all kernels of an array (..., k, k) together."""
    weights = kernels.astype(np.float64).reshape(-1, *kernels.shape[-2:]).sum(axis=0)
    rows, cols = np.indices(weights.shape)
    total = weights.sum()
    return float((weights * rows).sum() / total), float((weights * cols).sum() / total)


def profiles(kernel: NDArray[np.floating[Any]]) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """The row and the column of a kernel k x k that go through its brightest pixel: across and down, k values each.

    Through the peak, not the centroid: a kernel that is bent, as camera shake is, may be dark at its centroid.
    """
    row, col = np.unravel_index(int(kernel.argmax()), kernel.shape)
    return kernel[row], kernel[:, col]


def centred(kernels: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Kernels moved, all by one sub-pixel shift, so that their common centroid lies at k//2; each sums to one again.

    One cubic-spline shift of the kernels as given (a chain of shifts would blur them), negative lobes cut off. What is
    cut moves the centroid a little, so the shift is corrected until the centroid is right to a thousandth of a pixel.
    """
    # The shift takes all beyond the last pixel's centre for dark, so the outermost row would be lost: zeros around it.
    border = [(0, 0)] * (kernels.ndim - 2) + [(BORDER, BORDER)] * 2
    given = np.pad(kernels.astype(np.float64), border)
    middle = kernels.shape[-1] // 2
    moved = given[..., BORDER:-BORDER, BORDER:-BORDER]
    offset = np.zeros(2)
    for _ in range(20):
        error = middle - np.array(centroid(moved))
        if np.abs(error).max() < 1e-3:
            break
        offset += error
        moved = _shifted(given, offset)
        moved = np.maximum(moved[..., BORDER:-BORDER, BORDER:-BORDER], 0.0)
    sums = moved.sum(axis=(-2, -1), keepdims=True)
    result: NDArray[np.float32] = (moved / sums).astype(np.float32)
    return result


def _shifted(kernels: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each of (..., k, k) by a cubic spline of its own: one over all axes takes 4 values along each of them."""
    pictures = kernels.reshape(-1, *kernels.shape[-2:])
    moved = [spline_shift(picture, offset, order=3, mode="constant", cval=0.0) for picture in pictures]
    return np.stack(moved).reshape(kernels.shape)
