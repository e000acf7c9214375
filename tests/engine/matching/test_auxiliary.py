"""The auxiliary network: it learns, and it is looked through an average."""

from __future__ import annotations

import torch

from ddm_gui.engine.flow.train import Velocity, sample_path
from ddm_gui.engine.matching.auxiliary import FOLLOWED_MEMORY

from .conftest import TINY, a_training


def test_the_auxiliary_network_learns_and_is_looked_through_its_average() -> None:
    training = a_training(TINY.with_changes({"auxiliary_rate": 0.01}))
    generator = torch.Generator().manual_seed(0)
    sample = sample_path(torch.randn(16, 1, 1, 16, generator=generator).expand(-1, -1, 16, -1), generator)  # stripes

    def loss(velocity: Velocity) -> float:
        with torch.no_grad():
            return float((velocity(sample.y_t, sample.t) - sample.target).square().mean())

    before = loss(training.flow.velocity)
    assert before == loss(training.auxiliary.followed) == loss(training.auxiliary.network)
    names = [name for name, _ in training.auxiliary.followed.named_parameters()]
    expected = {name: training.auxiliary.followed.get_parameter(name).clone() for name in names}
    for update in range(60):
        training.update = update
        training.auxiliary.follow(sample, update, update)
        share = max(1 - FOLLOWED_MEMORY, 9 / (update + 10))
        for name in names:
            expected[name].lerp_(training.auxiliary.network.get_parameter(name).detach(), share)
    for name in names:
        torch.testing.assert_close(training.auxiliary.followed.get_parameter(name), expected[name])
    assert loss(training.auxiliary.followed) < 0.9 * before
    assert loss(training.flow.velocity) == before
