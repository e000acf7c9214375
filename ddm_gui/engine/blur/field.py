"""What changes slowly over the field: the nodes of a grid of kernels, their weights, and two kinds of functions.

A lens is smooth: what it does at one place it nearly does beside it. And most of it is round: turned about the middle
of the picture, its kernels turn with it. What photos happen to show at a place is neither. So what is asked of the
whole field is answered by few numbers, and the content of single places averages out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import legendre
from numpy.typing import NDArray
from torch import Tensor

from ddm_gui.engine.blur.psf import field_positions, node_weights


def orders(degree: int) -> list[tuple[int, int]]:
    """The polynomials of two variables up to a degree, by their degree in each."""
    return [(row, col) for row in range(degree + 1) for col in range(degree + 1 - row)]


def _tensor(values: NDArray[np.float64]) -> Tensor:
    """A copy in torch's own memory: in numpy's, products may end in other bits, wherever it happens to lie."""
    return torch.from_numpy(values).clone()


@dataclass(frozen=True)
class Field:
    """A grid of rows x cols nodes over photos of height x width, N nodes, row by row."""

    rows: int
    cols: int
    height: int
    width: int

    @property
    def nodes(self) -> Tensor:
        """Their field positions, N x 2, (row, col) in [0, 1]."""
        down, across = np.meshgrid(field_positions(self.rows), field_positions(self.cols), indexing="ij")
        return _tensor(np.stack([down.ravel(), across.ravel()], axis=1)).float()

    @property
    def pitch(self) -> Tensor:
        """How much further in the field the next pixel lies, (down, right)."""
        return torch.tensor([1 / max(length - 1, 1) for length in (self.height, self.width)])

    def weights(self, positions: Tensor) -> Tensor:
        """How much each node counts at positions B x 2: B x N, bilinear, summing to one."""
        down, across = (
            _tensor(node_weights(count, positions[:, axis].cpu().numpy())).to(positions)
            for axis, count in enumerate((self.rows, self.cols))
        )
        return torch.einsum("rb,cb->brc", down, across).flatten(1)

    def told_apart(self, degree: int) -> Tensor:
        """Which of the polynomials so few rows and columns of nodes can tell from the others, J."""
        return torch.tensor([row < self.rows and col < self.cols for row, col in orders(degree)])

    def polynomials(self, positions: Tensor, degree: int) -> Tensor:
        """Polynomials at positions B x 2: B x J, products of Legendre's along rows and columns (`orders`), of mean
        square one over the field; the first is constant."""
        places = 2 * positions.cpu().numpy().astype(np.float64) - 1
        powers = [
            np.stack([legendre.legval(places[:, axis], np.eye(degree + 1)[order]) for order in range(degree + 1)])
            * np.sqrt(2 * np.arange(degree + 1) + 1)[:, None]
            for axis in (0, 1)
        ]
        values = [powers[0][row] * powers[1][col] for row, col in orders(degree)]
        return _tensor(np.stack(values, axis=1)).to(positions)

    def round_functions(self, positions: Tensor, angles: Tensor, degree: int, odd: bool) -> Tensor:
        """How what belongs to a direction changes over the field of a round lens: at positions B x 2, for directions
        `angles` (A, rad, from columns towards rows), B x M x A.

        With p the place as a complex number (0 in the middle of the picture, |p| = 1 in its corners) and u the angle,
        |p|^2a Re(p^b exp(-i b u)): unchanged if place and direction are turned or mirrored together. b is odd for what
        changes sign with the direction, as phases do, else even; 2a + b is at most `degree`.
        """
        diagonal = float(np.hypot(self.height, self.width))
        down, right = (
            (2 * positions[:, axis].double() - 1) * length / diagonal
            for axis, length in enumerate((self.height, self.width))
        )
        place = torch.complex(right, down)[:, None]
        values = []
        for turns in range(int(odd), degree + 1, 2):
            turned = (place**turns * torch.exp(-1j * turns * angles.double())).real
            values += [place.abs() ** (2 * power) * turned for power in range((degree - turns) // 2 + 1)]
        return torch.stack(values, dim=1).to(positions)
