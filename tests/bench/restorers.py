"""How well, how fast and with how much memory each restorer takes a known blur out of photos, all in one table.

    python tests/bench/restorers.py [--blurs uniform lens] [--sets kodak24 cbsd68] [--noise .01 .02] [--photos 2]
        [--size PX] [--psf FILE ...] [--denoiser FILE ...] [--only wiener tv ...] [--lpips BACKBONE HEADS]
        [--output DIR] [--data DIR]

Photos of each set are blurred by one kernel (`uniform`: the coma of benchmark.py) or by a lens of 8 x 8 kernels in
colour (`lens`, that of lens.py), and restored with the true kernels and with learned ones: those of --psf, a project's
psf.safetensors, each for the blur whose grid it has. benchmark.py coma leaves one at
benchmark/quick/coma/coma/spectral/psf.safetensors, lens.py lens at benchmark/lens/lens/lens/psf.safetensors. Restorers
are Wiener, total variation, and plug and play with each denoiser among the files of DIR/weights and with those of
--denoiser; --only takes some of them by name. --photos 0 takes all photos of a set, --size only the middle
of each.

Each restorer runs in a process of its own, whose memory is measured at its peak; what `none`, which leaves photos as
they are, needs is the program's. Seconds per megapixel are of the restorer alone, after a first run on a small part:
by the clock, and of all busy cores together. OMP_NUM_THREADS says how many threads a network has. PSNR, SSIM and LPIPS
are of the 8-bit files, less a border of k. A run that was stopped goes on where it was; all is kept in
OUTPUT/restorers.json with date, cores and commit. The photos, kernels and weights are not the program's: DIR holds
them, by default the folder that the environment variable DDM_TEST_DATA names.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import lens
import numpy as np
from benchmark import commit, drained, true_psf

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.blur.psf_files import load_psf
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.lpips import Lpips
from ddm_gui.engine.photos import photo
from ddm_gui.engine.photos.photo import find_photos
from ddm_gui.engine.restore.denoisers import load_denoiser
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.recipe import Recipe, restore_photo, restorer_of
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.scores import kernel_ncc, score_folders
from ddm_gui.engine.simulate.known_set import KnownSet
from ddm_gui.engine.simulate.simulated_set import simulate_set

BLURS = ("uniform", "lens")
TRUE = "true"  # the kernels that photos were blurred by
NONE = "none"  # the restorer that leaves photos as they are
SMALL = 64  # px: of the part on which a restorer runs first, unmeasured


@dataclass(frozen=True)
class Set:
    """Some of the photos of a folder, blurred, with noise."""

    photos: str
    count: int
    size: int | None  # px: of the middle of each that is taken; None: all of it
    blur: str
    noise: float

    @property
    def name(self) -> str:
        middle = f" of {self.size} px" if self.size else ""
        return f"{self.photos} ({self.count}{middle}), {self.blur}, {self.noise:g}"


@dataclass(frozen=True)
class Case:
    """One restorer at work on one set, with the true kernels or with learned ones."""

    set: Set
    kernels: str  # 'true', or 'learned' and how well
    restorer: str  # 'none', the name of one, or that of the file of its denoiser

    @property
    def name(self) -> str:
        return f"{self.set.name}, {self.kernels}, {self.restorer}"


def true_kernels(blur: str, noise: float, data: Path) -> PsfGrid:
    """What photos are blurred by."""
    psf = true_psf("coma", noise, data) if blur == "uniform" else lens.true_psf("lens", data)
    return replace(psf, noise_sigma=noise)


def learned_kernels(files: list[Path], data: Path) -> dict[str, dict[str, PsfGrid]]:
    """Those of each blur, by words that say how good they are: the grid of a file tells from which blur it comes."""
    found: dict[str, dict[str, PsfGrid]] = {blur: {} for blur in BLURS}
    for file in files:
        psf = load_psf(file)
        for blur in BLURS:
            truth = true_kernels(blur, 0.0, data)
            if psf.nodes == truth.nodes:
                found[blur][f"learned, NCC {kernel_ncc(psf.kernels, truth.kernels):.4f}"] = psf
    return found


def denoisers(data: Path, more: list[Path]) -> dict[str, Path]:
    """Files of weights by name: those in the data that are of a denoiser, and others."""
    found = {}
    for file in sorted(path for path in (data / "weights").iterdir() if path.is_file()):
        try:
            load_denoiser(file)
        except UserError as error:
            print(f"left out: {file.name}: {error.why}", flush=True)
        else:
            found[file.stem] = file
    return found | {file.stem: file for file in more}


def make_set(chosen: Set, place: Path, data: Path) -> None:
    """Photos from all over a folder, blurred; made where they are missing."""
    sources = find_photos([data / "photos" / chosen.photos])
    picked = [sources[int(index)] for index in np.linspace(0, len(sources) - 1, chosen.count).round()]
    if chosen.size:
        picked = [middle(source, chosen.size, place / "originals") for source in picked]
    drained(simulate_set(picked, place, true_kernels(chosen.blur, chosen.noise, data)))


def middle(source: Path, size: int, folder: Path) -> Path:
    """A file of the middle of a photo."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = photo.read(source)
    rows, cols = (slice((length - size) // 2, (length + size) // 2) for length in whole.pixels.shape[:2])
    photo.write(whole.with_pixels(whole.pixels[rows, cols]), folder / f"{source.stem}.png")
    return folder / f"{source.stem}.png"


def measure(
    known: KnownSet, psf: PsfGrid, recipe: Recipe | None, place: Path, lpips: list[Path] | None
) -> dict[str, Any]:
    """Restores a set; no recipe leaves it as it is. For a process of its own."""

    def work(seen: photo.Photo) -> photo.Photo:
        return seen if recipe is None else restore_photo(seen, psf, recipe)

    place.mkdir(parents=True, exist_ok=True)
    seconds, busy, pixels = 0.0, 0.0, 0
    for source in find_photos([known.degraded]):
        degraded = photo.read(source)
        if pixels == 0:
            work(degraded.with_pixels(degraded.pixels[:SMALL, :SMALL]))
        begun, begun_busy = time.perf_counter(), time.process_time()
        restored = work(degraded)
        seconds, busy = seconds + time.perf_counter() - begun, busy + time.process_time() - begun_busy
        pixels += degraded.pixels.shape[0] * degraded.pixels.shape[1]
        photo.write(restored, place / source.name)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    score = score_folders(place, known.sharp, psf.size, Lpips.load(*lpips).distance if lpips else None)
    return {
        "psnr": score.psnr_mean,
        "ssim": score.ssim_mean,
        "lpips": score.lpips_mean,
        "seconds_per_mp": seconds / pixels * 1e6,
        "busy_seconds_per_mp": busy / pixels * 1e6,
        "memory_mb": memory,
    }


def apart(task: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns that runs in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(task, *arguments).result()


def recipe_of(name: str, networks: dict[str, Path]) -> Recipe | None:
    """How a restorer of the table works."""
    if name == NONE:
        return None
    if name in networks:
        return Recipe(Dpir(denoiser=str(networks[name])))
    return Recipe(restorer_of(name, {}))


# Tables


def table(head: list[str], rows: list[list[str]]) -> None:
    """Markdown."""
    for row in (head, ["---"] * len(head), *rows) if rows else ():
        print(f"| {' | '.join(row)} |")
    print()


def show(found: dict[Case, dict[str, Any]]) -> None:
    """Three tables: how well, by set and kernels; at what price, by blur; how far apart restorers and kernels are."""
    names = list(dict.fromkeys(case.restorer for case in found))
    lines = list(dict.fromkeys((case.set, case.kernels) for case in found))

    def cells(told: Callable[[Case], str], chosen: Set, kernels: str) -> list[str]:
        cases = [Case(chosen, kernels, name) for name in names]
        return [told(case) if case in found else "" for case in cases]

    def above(case: Case, other: Case) -> str:
        return f"{found[case]['psnr'] - found[other]['psnr']:+.2f}" if other in found else ""

    scores = [
        [chosen.name, kernels, *cells(lambda case: scored(found[case]), chosen, kernels)] for chosen, kernels in lines
    ]
    table(["photos, blur, noise", "kernels", *names], scores)
    blurs = dict.fromkeys(chosen.blur for chosen, _ in lines)
    prices = [priced(name, blur, found) for blur, name in product(blurs, names)]
    table(["restorer", "blur", "s per MP", "busy s per MP", "peak MB"], prices)
    gains = [
        [chosen.name, kernels, *cells(lambda case: above(case, replace(case, restorer=Wiener.name)), chosen, kernels)]
        for chosen, kernels in lines
    ]
    table(["above Wiener, dB", "kernels", *names], gains)
    losses = [
        [chosen.name, kernels, *cells(lambda case: above(case, replace(case, kernels=TRUE)), chosen, kernels)]
        for chosen, kernels in lines
        if kernels != TRUE
    ]
    table(["above the true kernels, dB", "kernels", *names], losses)


def scored(row: dict[str, Any]) -> str:
    """PSNR in dB, SSIM, and LPIPS where it was measured."""
    others = [f"{row[name]:.3f}".removeprefix("0") for name in ("ssim", "lpips") if row[name] is not None]
    return " ".join([f"{row['psnr']:.2f}", *others])


def priced(name: str, blur: str, found: dict[Case, dict[str, Any]]) -> list[str]:
    """Means of a restorer's times over all sets of a blur, and the most memory."""
    rows = [row for case, row in found.items() if (case.set.blur, case.restorer) == (blur, name)]
    means = [np.mean([row[key] for row in rows]) for key in ("seconds_per_mp", "busy_seconds_per_mp")]
    return [name, blur, *(f"{mean:.2f}" for mean in means), f"{max(row['memory_mb'] for row in rows):.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blurs", nargs="+", choices=BLURS, default=list(BLURS))
    parser.add_argument("--photos", type=int, default=2, help="of each set; 0: all (default: 2)")
    parser.add_argument(
        "--size", type=int, metavar="PX", help="of the middle of each photo that is taken (default: all)"
    )
    parser.add_argument("--sets", nargs="+", default=["kodak24", "cbsd68"])
    parser.add_argument("--noise", nargs="+", type=float, default=[0.01, 0.02])
    parser.add_argument("--psf", nargs="+", type=Path, default=[], help="learned kernels")
    parser.add_argument("--denoiser", nargs="+", type=Path, default=[], help="files of weights")
    parser.add_argument("--only", nargs="+", help="restorers by the names that the table gives them")
    parser.add_argument("--lpips", nargs=2, type=Path, metavar="FILE", help="backbone and heads, as of ddm score")
    parser.add_argument("--output", type=Path, default=Path("benchmark"), help="where all is kept (default: benchmark)")
    parser.add_argument("--data", type=Path, default=os.environ.get("DDM_TEST_DATA"))
    arguments = parser.parse_args()
    if arguments.data is None or not (arguments.data / "photos").is_dir():
        sys.exit("Give --data DIR, or name in DDM_TEST_DATA the folder that holds photos/, kernels/ and weights/.")
    data, root = arguments.data, arguments.output.absolute() / "restorers"
    learned, networks = learned_kernels(arguments.psf, data), denoisers(data, arguments.denoiser)
    names = [NONE, Wiener.name, TotalVariation.name, *networks]
    names = [name for name in names if arguments.only is None or name in (NONE, *arguments.only)]
    cases = []
    for folder, blur, noise in product(arguments.sets, arguments.blurs, arguments.noise):
        count = arguments.photos or len(find_photos([data / "photos" / folder]))
        chosen = Set(folder, count, arguments.size, blur, noise)
        cases += [Case(chosen, TRUE, name) for name in names]
        cases += [Case(chosen, kernels, name) for kernels in learned[blur] for name in names[1:]]

    kept = arguments.output / "restorers.json"
    done = {row["name"]: row for row in json.loads(kept.read_text())["runs"]} if kept.is_file() else {}
    about = {"date": date.today().isoformat(), "cores": os.cpu_count(), "threads": os.environ.get("OMP_NUM_THREADS")}
    for case in cases:
        if case.name in done:
            continue
        # What was learned from photos of another noise has to restore these.
        psf = learned[case.set.blur].get(case.kernels) or true_kernels(case.set.blur, case.set.noise, data)
        psf = replace(psf, noise_sigma=case.set.noise)
        known = KnownSet(root / case.set.name)
        place = known.root / case.kernels / case.restorer
        try:
            if not known.truth.is_file():
                apart(make_set, case.set, known.root, data)
            numbers = apart(measure, known, psf, recipe_of(case.restorer, networks), place, arguments.lpips)
        except UserError as error:
            print(f"{case.name}: {error}", flush=True)
            continue
        done[case.name] = {"name": case.name, **asdict(case), **numbers, **about, "commit": commit()}
        kept.write_text(json.dumps({"runs": list(done.values())}, indent=1))
        print(f"{case.name}: {numbers['psnr']:.2f} dB, {numbers['seconds_per_mp']:.1f} s per megapixel", flush=True)
    print()
    show({case: done[case.name] for case in cases if case.name in done})


if __name__ == "__main__":
    main()
