"""The same restoration by deepinv's DPIR: the same denoiser, kernel, photos and noise, to compare quality and speed.

    python tests/bench/deepinv_dpir.py SET... --denoiser ffdnet_color_converted.pth

SET is a folder that `ddm simulate` or restorers.py made, of one kernel for the whole photo (restorers.py leaves such
ones at benchmark/restorers/*uniform*). Printed for each: PSNR in dB, less a border of k, and seconds per megapixel,

- of ours;
- of deepinv with the photos taken for mirrored at their edges, as they were when they were blurred (its Blur: conjugate
  gradients);
- of deepinv with the photos taken for periodic (its BlurFFT: closed form), which they are not.

deepinv is no dependency of the program, so this wants an environment of its own:

    python -m venv deepinv-venv
    deepinv-venv/bin/pip install -c packaging/constraints.txt torch -e .
    deepinv-venv/bin/pip install --no-deps deepinv==0.5 torchmetrics lightning_utilities
    deepinv-venv/bin/pip install einops h5py hdf5storage matplotlib natsort requests

deepinv imports torchvision, of which there is no CPU build that fits torch 2.13, but nothing of it is needed here: an
empty one stands in for it where there is none.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ddm_gui.engine.blur.degradation import blur_same
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos import photo
from ddm_gui.engine.photos.photo import Photo, find_photos
from ddm_gui.engine.restore.denoisers import Denoiser, load_denoiser
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.scores import photo_psnr
from ddm_gui.engine.simulate.known_set import KnownSet

Pixels = NDArray[np.floating[Any]]


class EmptyModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds torchvision and all within it: modules in which every name is an empty class."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != "torchvision":
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        def empty(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

        module.__getattr__ = empty


if importlib.util.find_spec("torchvision") is None:
    sys.meta_path.append(EmptyModules())

import deepinv  # noqa: E402


class Wrapped(deepinv.models.Denoiser):
    """One of our denoisers as one of deepinv's."""

    def __init__(self, network: Denoiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor, sigma: torch.Tensor | float, **_: Any) -> torch.Tensor:
        return self.network.denoised(x, float(torch.as_tensor(sigma).reshape(-1)[0]))


def batch(pixels: Pixels) -> torch.Tensor:
    """H x W x C as 1 x C x H x W."""
    return torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None]


def deepinv_blur(psf: PsfGrid, degraded: Photo, periodic: bool) -> deepinv.physics.LinearPhysics:
    """deepinv's operator of our kernel, for photos of one size; away from their edges it blurs as ours does."""
    kernel, y = torch.tensor(psf.kernels[0, 0])[None], batch(degraded.pixels)
    blur = (
        deepinv.physics.BlurFFT(tuple(y.shape[1:]), filter=kernel)
        if periodic
        else deepinv.physics.Blur(filter=kernel, padding="reflect", use_fft=True)
    )
    inside = slice(psf.size, -psf.size)
    theirs = blur(y)[0].permute(1, 2, 0).numpy()
    if np.abs(theirs - blur_same(degraded.pixels, psf.kernels[0, 0]))[inside, inside].max() > 1e-4:
        raise AssertionError("the two blurs differ: the comparison would say nothing")
    return blur


def compared(known: KnownSet, weights: Path) -> None:
    """Restores a set in three ways, each told the noise, and prints a line for each."""
    psf = PsfGrid.load(known.truth)
    if psf.nodes != (1, 1):
        sys.exit(f"{known.root} has kernels over the field; deepinv is compared where there is one.")
    recipe = Recipe(Dpir(denoiser=str(weights), noise_sigma=psf.noise_sigma))
    dpir = deepinv.optim.DPIR(sigma=psf.noise_sigma, denoiser=Wrapped(load_denoiser(weights)))
    for name in ("ours", "deepinv, mirrored", "deepinv, periodic"):
        psnrs, seconds, busy, pixels = [], 0.0, 0.0, 0
        for source in find_photos([known.degraded]):
            degraded, y = photo.read(source), batch(photo.read(source).pixels)
            blur = None if name == "ours" else deepinv_blur(psf, degraded, periodic=name.endswith("periodic"))
            begun, begun_busy = time.perf_counter(), time.process_time()
            if blur is None:
                restored = restore_photo(degraded, psf, recipe).pixels
            else:
                with torch.no_grad():
                    restored = dpir(y, blur)[0].permute(1, 2, 0).clamp(0, 1).numpy()
            seconds, busy = seconds + time.perf_counter() - begun, busy + time.process_time() - begun_busy
            pixels += restored.shape[0] * restored.shape[1]
            psnrs.append(photo_psnr(restored, photo.read(known.sharp / source.name).pixels, psf.size))
        price = f"{seconds / pixels * 1e6:.1f} s by the clock and {busy / pixels * 1e6:.1f} s busy"
        print(f"{known.root.name}: {name:18s} {np.mean(psnrs):.2f} dB, {price} per megapixel", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path, metavar="SET")
    parser.add_argument("--denoiser", type=Path, required=True)
    arguments = parser.parse_args()
    print(f"deepinv {deepinv.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for root in arguments.sets:
        compared(KnownSet(root), arguments.denoiser)


if __name__ == "__main__":
    main()
