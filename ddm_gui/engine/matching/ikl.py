"""The integrated KL divergence between simulated and degraded patches: its gradient and its number (section 3.1).

The gradient (eq. 5). With y_1 simulated, y_t = (1 - t) y_0 + t y_1, and the scores s = (t v - y_t)/(1 - t), the
gradient of the integrated KL divergence with respect to y_1 is w(t) (v_aux - v_degraded) at the same y_t, with no
gradient through the networks. It is descended, so y_1 moves towards v_degraded. The exact weight is t^2/(1 - t), the
published code's 1; the rounds take w = t: once whitened they differ little.

The number. For this path the KL divergence of simulated from degraded patches is, by de Bruijn's identity,

    KL = integral over t in (0, 1) of  t/(1 - t) * E|v_aux - v_degraded|^2 dt,
    IKL = integral over s of KL at time s = integral over t of  t * E|v_aux - v_degraded|^2 dt,

since d/dt KL_t = (t/(1 - t)) E|v_aux - v_degraded|^2 and the integral of KL_s over s weighs what happens at t by 1 - t.

A difference of two such numbers needs no v_aux where the entropies are the same: E|v_degraded - u|^2 is what is left.
Patches and the same turned about by half a turn are such a pair (`turned_about_lead`).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ddm_gui.engine.flow.train import PathSample, Velocity, sample_path


def matching_loss(difference: Tensor, weight: Tensor | float, simulated: Tensor) -> Tensor:
    """A surrogate whose gradient with respect to `simulated` is eq. 5 with this weight; as a number it means nothing.

    `difference` is v_aux - v_degraded at the same y_t.
    """
    return (weight * difference.detach() * simulated).mean()


def excess_loss(auxiliary: Tensor, degraded: Tensor, sample: PathSample) -> Tensor:
    """The IKL from one batch, in nats per value: mean of t (|v_degraded - u|^2 - |v_aux - u|^2).

    The same integral as t |v_aux - v_degraded|^2 where v_aux is exact, since u - v_aux then has mean 0 given y_t; and
    it scatters around 0 when nothing is left to tell the two apart.
    """
    difference = (degraded - sample.target).square() - (auxiliary - sample.target).square()
    return (sample.weight * difference).mean()


def turned_about_lead(degraded: Velocity, sample: PathSample) -> Tensor:
    """By how much the IKL of patches is less than that of the same patches turned about by half a turn, from one batch,
    nats per value: mean of t (|v_degraded(turned y_t) - turned u|^2 - |v_degraded(y_t) - u|^2)."""
    turned = replace(sample, y_t=sample.y_t.flip(-2, -1), target=sample.target.flip(-2, -1))
    errors = [(each.weight * (each.under(degraded) - each.target).square()).mean() for each in (turned, sample)]
    return errors[0] - errors[1]


def integrated_kl(auxiliary: Velocity, degraded: Velocity, simulated: Tensor, generator: torch.Generator) -> float:
    """The IKL between simulated and degraded patches, nats per value, for exact velocities: E[t |v_aux - v_deg|^2]."""
    sample = sample_path(simulated, generator)
    difference = sample.under(auxiliary) - sample.under(degraded)
    return float((sample.weight * difference.square()).mean())
