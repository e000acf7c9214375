"""How much of the phases that were found over the field is the lens, and how much is what photos happen to show.

Each half of the photos finds phases by itself. Whether the two correlate says little, since most of each is made of few
numbers: in four draws .34 to .68 on a simulated lens, in five -.28 to .27 on DECam's kernels, which are nearly
symmetric. But the photos can be asked one by one: would turning phases from zero towards what the *other* half of the
photos found make this one likelier? The answer is the slope of the gradient at zero phase in that direction.

The answers of n photos scatter by their content. By chance their mean is of the size of that scatter over sqrt(n), and
of that over sqrt(m) besides, since the network that answers has learned the content of m clean photos. So of t, the
mean over its standard error, the square is (1 + n/m) by chance (more, where few answers give the scatter: that of
Student's distribution). What t^2 is beyond that is the lens: James and Stein's estimator. On the simulated lens t was
3.6 to 4.7 in four such draws (ten photos), on DECam's kernels -.3 to .2.
"""

from __future__ import annotations

from torch import Tensor

from ddm_gui.engine.photos.patches import PatchPool

CUTS = 2  # of each half of the photos, one after the other: into four groups, where there are as many photos
FEWEST = 3  # degrees of freedom: with fewer the scatter is hardly known


def groups_of(half: PatchPool, seed: int, cuts: int = CUTS) -> list[PatchPool]:
    """Photos in groups that are asked one by one: up to 2^cuts, none of which is empty."""
    if cuts == 0 or half.photo_count == 1:
        return [half]
    return [group for part in half.split(0.5, seed) for group in groups_of(part, seed, cuts - 1)]


def lens_share(answers: Tensor, degraded: int, clean: int) -> float:
    """The share of the phases that is more than content, 0 to 1: all of it where that is half of their power or more.

    answers: of each group of photos, positive where it says the same as the other half; degraded, clean: how many
    photos there are.
    """
    error = answers.std() / len(answers) ** 0.5
    ratio = float(answers.mean() / error.clamp_min(1e-12))
    freedom = max(len(answers) - 1, FEWEST)
    chance = (1 + degraded / clean) * freedom / (freedom - 2)
    return min(1.0, 2 * max(0.0, 1 - chance / ratio**2)) if ratio > 0 else 0.0
