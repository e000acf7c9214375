"""The kernels' history: snapshots of step 2, thinned to at most 500, for the slider back in time. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as safetensors_bytes

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import KernelSnapshot
from ddm_gui.engine.files import write_aside

MOST = 500


@dataclass(frozen=True, eq=False)
class History:
    """Snapshots in the order of `images_seen` (n): `kernels`, n x rows x cols x channels x k x k, `noise_sigma`, n."""

    images_seen: NDArray[np.int64]
    kernels: NDArray[np.float32]
    noise_sigma: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.images_seen)

    def until(self, images_seen: int) -> History:
        """Without what lies later: a run that goes on from a checkpoint writes that part again."""
        kept = self.images_seen <= images_seen
        return History(self.images_seen[kept], self.kernels[kept], self.noise_sigma[kept])

    def with_snapshot(self, snapshot: KernelSnapshot) -> History:
        """One more; when there are more than 500, every second one goes."""
        longer = History(
            np.append(self.images_seen, snapshot.images_seen),
            np.concatenate([self.kernels, snapshot.kernels[None]]) if len(self) else snapshot.kernels[None],
            np.append(self.noise_sigma, np.float32(snapshot.noise_sigma)),
        )
        if len(longer) <= MOST:
            return longer
        kept = slice(len(longer) % 2 == 0, None, 2)  # the newest always stays
        return History(longer.images_seen[kept], longer.kernels[kept], longer.noise_sigma[kept])

    def write(self, path: Path) -> None:
        """Writes `history.safetensors`, aside and then into place."""
        tensors: dict[str, NDArray[Any]] = {
            "images_seen": self.images_seen,
            "kernels": np.ascontiguousarray(self.kernels),
            "noise_sigma": self.noise_sigma,
        }
        write_aside(path, safetensors_bytes(tensors))


def empty() -> History:
    """No snapshots yet."""
    return History(np.zeros(0, np.int64), np.zeros((0, 1, 1, 1, 1, 1), np.float32), np.zeros(0, np.float32))


def read(path: Path) -> History:
    """What was written; empty where there is no file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return empty()
    try:
        with safe_open(path, framework="numpy") as file:
            return History(*(file.get_tensor(name) for name in ("images_seen", "kernels", "noise_sigma")))
    except (SafetensorError, ValueError) as error:
        raise UserError(
            f"The history {path} cannot be read.", f"{error}.", "Delete it: only the slider back in time is lost."
        ) from error
