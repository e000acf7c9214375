"""How sure kernels are, from those that each half of the photos gives by itself."""

from __future__ import annotations

from torch import Tensor


def reliability(one: Tensor, other: Tensor) -> Tensor:
    """The NCC with the truth to be expected of kernels made of all photos, ... in [0, 1], from those of two halves,
    ... x k x k each, which sum to one.

    If r is the NCC of the halves, whose errors are independent, it is sqrt(2 r / (1 + r)): C_ref of a map made of two
    half maps (Rosenthal and Henderson, J. Mol. Biol. 333 (2003), 721), and Spearman and Brown's formula before. What
    both halves get wrong alike is not in it.
    """
    halves = _ncc(one, other).clamp_min(0)
    return (2 * halves / (1 + halves)).sqrt()


def _ncc(one: Tensor, other: Tensor) -> Tensor:
    """Zero-mean normalised cross-correlation at no shift, the kernels on a square of twice their size."""
    mean_product = 1 / (2 * one.shape[-1]) ** 2  # of two pictures whose pixels sum to one: pixels times mean squared
    products = [(a * b).sum(dim=(-2, -1)) - mean_product for a, b in ((one, other), (one, one), (other, other))]
    ncc: Tensor = products[0] / (products[1] * products[2]).sqrt()
    return ncc
