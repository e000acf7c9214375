"""Photos restored by splitting: a data step that knows the blur, and a step that knows photos, in turns.

Half-quadratic splitting with a denoiser (DPIR) and ADMM with the proximal operator of total variation share all but
that second step. Tile by tile (see `tiles`), in float32, on any device.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ddm_gui.engine.blur.field_blur import Window
from ddm_gui.engine.restore.data_step import DataStep, data_step
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.restore.restorer import Blurred, Pixels, Steps
from ddm_gui.engine.restore.tiles import Tile, by_tiles


def restored(
    blurred: Blurred,
    restore: Callable[[DataStep], Steps[Tensor]],
    halo: int,
    plan: Plan,
) -> Steps[Pixels]:
    """The photo restored by `restore`, which gives x of a data step; `halo` px around a tile are worked on with it."""
    device, seen = torch.device(plan.device), blurred.photo.pixels
    height, width = seen.shape[:2]
    kernels = torch.tensor(blurred.psf.kernels, device=device)

    def work(pixels: Pixels, part: Tile) -> Steps[Pixels]:
        rows, cols = part.read
        window = Window(rows.start, cols.start, height, width)
        weights = None
        if blurred.weights is not None and (blurred.weights[part.read] != 1).any():
            weights = as_tensor(blurred.weights[part.read].astype(np.float32), device)
        step = data_step(as_tensor(pixels, device), kernels, weights, window)
        found = step.inside((yield from restore(step)))[0]
        return found.permute(1, 2, 0).cpu().numpy()

    return _inferred(by_tiles(seen, plan.tile, halo, work))


def _inferred(steps: Steps[Pixels]) -> Steps[Pixels]:
    """Steps without gradients; whoever pulls them is left in the mode that he was in."""
    while True:
        with torch.inference_mode():
            try:
                share = next(steps)
            except StopIteration as end:
                pixels: Pixels = end.value
                return pixels
        yield share


def as_tensor(pixels: Pixels, device: torch.device) -> Tensor:
    """H x W x C as 1 x C x H x W on a device."""
    return torch.tensor(pixels, device=device).permute(2, 0, 1)[None].contiguous()
