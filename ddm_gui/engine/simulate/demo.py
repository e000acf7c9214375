"""The demo: two unpaired folders of photos, one of them seen through a bad lens, and the truth to compare with.

Nothing is downloaded: the photos lie in scikit-image's own package and are read from there as files (its functions
would look for a download cache first); the other half are generated dead-leaves pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos import photo
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.simulate.known_set import KnownSet
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import Lens
from ddm_gui.engine.simulate.simulated_set import write_pair

# Coma whose tail points down to the right, and lateral colour along it: 2 px between R and B.
LENS = Lens(defocus=0.1, coma=0.35, angle=0.6, lateral=2.0, axial=0.03, diffraction=0.8, softness=0.85)
KERNEL_SIZE = 25
NOISE_SIGMA = 0.02
# The two motorcycle views show the same thing, so they stay on one side.
CLEAN_SCENES = ("coffee.png", "chelsea.png", "rocket.jpg", "ihc.png")
DEGRADED_SCENES = ("motorcycle_left.png", "motorcycle_right.png", "astronaut.png")
LEAVES = 6  # generated pictures per side
LEAVES_SIZE = 448  # px


def build(directory: Path, seed: int = 0) -> KnownSet:
    """Writes the demo into `directory` (made if needed): PNG, 8 bit. The same seed gives the same files.

    A demo of the same seed that is there already is used as it is.

    Raises:
        UserError: the folder cannot be written, or scikit-image came without its photos.
    """
    demo = KnownSet(directory)
    leaves, noise = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    about = {"source": "ddm_gui demo", "lens": repr(LENS), "seed": seed}
    # The truth is written last. What is there is left alone: photos with a new date would make learned steps stale.
    if demo.truth.is_file() and PsfGrid.load(demo.truth).provenance == about:
        return demo
    truth = PsfGrid(LENS.kernels(KERNEL_SIZE)[None, None], NOISE_SIGMA, provenance=about)
    try:
        for folder in (demo.clean, demo.degraded, demo.sharp):
            folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in _pictures(CLEAN_SCENES, leaves):
            photo.write(Photo(pixels, 8), demo.clean / f"{name}.png")
        for name, pixels in _pictures(DEGRADED_SCENES, leaves):
            write_pair(Photo(pixels, 8), demo, f"{name}.png", truth, noise)
        truth.save(demo.truth)
    except OSError as error:
        raise UserError(f"The demo cannot be written to {directory}.", f"{error}.", "Choose another folder.") from error
    return demo


def _pictures(scenes: tuple[str, ...], rng: np.random.Generator) -> list[tuple[str, NDArray[np.float32]]]:
    """One side of the demo: names and pixels H x W x 3 in [0, 1]."""
    found = [(Path(scene).stem, _scene(scene)) for scene in scenes]
    first = "abcdef"[len(scenes) % 6]  # the sides have different numbers of scenes, so their names differ
    made = [(f"leaves_{first}{number}", dead_leaves(LEAVES_SIZE, LEAVES_SIZE, rng)) for number in range(1, LEAVES + 1)]
    return found + made


def _scene(name: str) -> NDArray[np.float32]:
    path = Path(skimage.__file__).parent / "data" / name
    if not path.is_file():
        raise UserError(
            f"The demo's photo {name} is missing.",
            f"scikit-image should have brought it as {path}.",
            "Install scikit-image again with pip.",
        )
    return photo.read(path).pixels
