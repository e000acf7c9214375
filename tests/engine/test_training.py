"""The loop that both steps share: a stopped run equals one that never stopped, and what is saved can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ddm_gui.engine import training
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import CheckpointSaved, Event, FlowProgress, Note, Stage, StageDone, StageStarted
from ddm_gui.engine.files import previous
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.training import (
    WARM_UP_UPDATES,
    Pace,
    Training,
    Watch,
    WeightAverage,
    adam,
    cosine_decay,
    draws,
    load_checkpoint,
    optimiser_tensors,
    power_of,
    rate_factor,
    restore_optimiser,
    run,
    save_checkpoint,
    seeded,
    set_rate,
    under_prefix,
    with_prefix,
)

FINGERPRINT = {"seed": 3}
UPDATES = 12


class Descent(Training):
    """Adam towards a noisy point: all that a step has, in eight numbers."""

    stage = Stage.FLOW

    def __init__(self) -> None:
        self.batch_size, self.updates = 4, UPDATES
        self.point = nn.Parameter(torch.zeros(8))
        self.optimiser = adam([([self.point], 0.1)])
        self.spoil_at: int | None = None

    def step(self) -> None:
        target = torch.randn(8, generator=draws(3, 1, self.update))
        if self.update == self.spoil_at:
            target[2] = math.nan
        self.optimiser.zero_grad()
        torch.autograd.backward((self.point - target).square().sum())
        set_rate(self.optimiser, cosine_decay(self.update, self.updates))
        self.optimiser.step()

    def progress(self, seconds_left: float) -> Event:
        if not self.point.isfinite().all():
            raise training.diverged(self.stage)
        return FlowProgress(self.update * 4, self.updates * 4, 0.0, 0.0, seconds_left)

    def tensors(self) -> dict[str, Tensor]:
        return {"point": self.point, **with_prefix("optimiser", optimiser_tensors(self.optimiser))}

    def numbers(self) -> dict[str, Any]:
        return {}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        with torch.no_grad():
            self.point.copy_(tensors["point"])
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))


@pytest.fixture
def every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report after each update, and no checkpoint but those asked for."""
    monkeypatch.setattr(training, "REPORT_SECONDS", 0.0)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "flow.safetensors"


def about(**changes: Any) -> dict[str, Any]:
    """What stands in a checkpoint beside its tensors, at the beginning of a run."""
    return {"update": 0, "updates": UPDATES, "seconds": 0.0, "numbers": {}, **changes}


def whole(made: Training, checkpoint: Path) -> list[Event]:
    return list(run(made, checkpoint, FINGERPRINT))


def stopped_after(updates: int, made: Training, checkpoint: Path) -> None:
    """Pulls until an update is reported, then closes."""
    events = run(made, checkpoint, FINGERPRINT)
    for event in events:
        if isinstance(event, StageStarted if updates == 0 else FlowProgress) and made.update >= updates:
            break
    events.close()


# The loop


@pytest.mark.usefixtures("every_update")
def test_the_events_of_a_run_in_their_order(checkpoint: Path) -> None:
    events = whole(Descent(), checkpoint)
    assert events[0] == StageStarted(Stage.FLOW, 0, 4 * UPDATES)
    seen = [event.images_seen for event in events if isinstance(event, FlowProgress)]
    assert seen == list(range(4, 4 * UPDATES + 1, 4))
    assert events[-2] == CheckpointSaved(Stage.FLOW, str(checkpoint))
    assert isinstance(events[-1], StageDone)
    left = [event.seconds_left for event in events if isinstance(event, FlowProgress)]
    assert left[-1] == 0.0
    assert min(left) >= 0.0


def test_the_last_update_is_always_reported(checkpoint: Path) -> None:
    seen = [event.images_seen for event in whole(Descent(), checkpoint) if isinstance(event, FlowProgress)]
    assert seen[-1] == 4 * UPDATES


@pytest.mark.usefixtures("every_update")
@pytest.mark.parametrize("stops", [[0], [1], [5], [UPDATES], [0, 1, 2, 7, 11], list(range(UPDATES + 1))])
def test_stopped_and_resumed_equals_never_stopped(stops: list[int], checkpoint: Path, tmp_path: Path) -> None:
    straight = Descent()
    whole(straight, tmp_path / "straight.safetensors")
    for stop in stops:
        stopped_after(stop, Descent(), checkpoint)
        saved = load_checkpoint(checkpoint)
        assert saved is not None
        assert saved[1]["update"] == stop
        assert saved[1]["fingerprint"] == FINGERPRINT
    resumed = Descent()
    events = whole(resumed, checkpoint)
    assert events[0] == StageStarted(Stage.FLOW, 4 * stops[-1], 4 * UPDATES)
    assert torch.equal(resumed.point, straight.point)
    for name, tensor in straight.tensors().items():
        assert torch.equal(resumed.tensors()[name], tensor), name


def test_a_finished_run_is_not_run_again(checkpoint: Path) -> None:
    first = Descent()
    whole(first, checkpoint)
    before = checkpoint.read_bytes()
    again = Descent()
    events = whole(again, checkpoint)
    assert [type(event) for event in events] == [StageStarted, StageDone]
    assert torch.equal(again.point, first.point)
    assert checkpoint.read_bytes() == before


@pytest.mark.usefixtures("every_update")
def test_seconds_count_all_sessions(checkpoint: Path) -> None:
    save_checkpoint(checkpoint, Descent().tensors(), about(seconds=1000.0))
    done = whole(Descent(), checkpoint)[-1]
    assert isinstance(done, StageDone)
    assert 1000.0 < done.seconds < 1100.0


@pytest.mark.parametrize(
    ("tensors", "notes"),
    [
        ({}, about()),
        ({"point": torch.zeros(7)}, about()),
        ({"point": torch.zeros(8), "other": torch.zeros(8)}, about()),
        ({"point": torch.zeros(8)}, about(updates=UPDATES + 1)),
        ({"point": torch.zeros(8)}, about(numbers={"count": 1})),
    ],
    ids=["tensor-missing", "other-shape", "tensor-unknown", "other-updates", "other-numbers"],
)
def test_what_does_not_fit_is_begun_anew_said_and_kept(
    tensors: dict[str, Tensor], notes: dict[str, Any], checkpoint: Path
) -> None:
    save_checkpoint(checkpoint, tensors, notes)
    old = checkpoint.read_bytes()
    events = whole(Descent(), checkpoint)
    assert isinstance(events[0], Note)
    assert events[0].text.startswith("Step 1 begins anew")
    assert events[1] == StageStarted(Stage.FLOW, 0, 4 * UPDATES)
    assert previous(checkpoint).read_bytes() == old
    assert not any(isinstance(event, Note) for event in whole(Descent(), checkpoint))


def test_checkpoints_on_the_way_are_said(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    saved = [event for event in whole(Descent(), checkpoint) if isinstance(event, CheckpointSaved)]
    assert len(saved) == UPDATES
    before = load_checkpoint(previous(checkpoint))
    assert before is not None
    assert before[1]["update"] == UPDATES - 1


# Numbers that are not finite


@pytest.mark.usefixtures("every_update")
def test_a_run_that_met_nan_says_so_and_keeps_the_good_checkpoint(checkpoint: Path) -> None:
    stopped_after(4, Descent(), checkpoint)
    good = checkpoint.read_bytes()
    spoilt = Descent()
    spoilt.spoil_at = 6
    with pytest.raises(UserError, match="not finite"):
        whole(spoilt, checkpoint)
    assert spoilt.update == 7
    assert checkpoint.read_bytes() == good
    assert not previous(checkpoint).exists()


def test_nan_between_two_reports_is_not_saved(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is time for a checkpoint, or the run is closed, before the next report would have found it."""
    stopped_after(0, Descent(), checkpoint)
    good = checkpoint.read_bytes()
    spoilt = Descent()
    events = run(spoilt, checkpoint, FINGERPRINT)
    next(events)
    with torch.no_grad():
        spoilt.point[0] = math.inf
    with pytest.raises(UserError, match="not finite"):
        events.close()
    assert checkpoint.read_bytes() == good
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "REPORT_SECONDS", 1e9)
    spoilt = Descent()
    spoilt.spoil_at = 0
    with pytest.raises(UserError, match="not finite"):
        whole(spoilt, checkpoint)
    assert checkpoint.read_bytes() == good


# Checkpoints


def test_a_checkpoint_comes_back_and_the_one_before_is_kept(checkpoint: Path) -> None:
    for number in (1, 2, 3):
        tensors = {"a.b": torch.full((2, 3), float(number)), "scalar": torch.tensor(number)}
        save_checkpoint(checkpoint, tensors, {"update": number})
    newest, before = load_checkpoint(checkpoint), load_checkpoint(previous(checkpoint))
    assert newest is not None
    assert before is not None
    assert torch.equal(newest[0]["a.b"], torch.full((2, 3), 3.0))
    assert newest[0]["scalar"].dtype == torch.int64
    assert (newest[1], before[1]) == ({"update": 3}, {"update": 2})
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == [checkpoint.name, previous(checkpoint).name]


def test_tensors_that_share_memory_or_are_not_contiguous_are_saved(checkpoint: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    save_checkpoint(checkpoint, {"rows": base, "columns": base.T, "same": base}, {})
    loaded = load_checkpoint(checkpoint)
    assert loaded is not None
    assert torch.equal(loaded[0]["columns"], base.T)


def test_no_checkpoint_is_none(checkpoint: Path) -> None:
    assert load_checkpoint(checkpoint) is None


@pytest.mark.parametrize("left", [0, 7, 60, -1])
def test_a_truncated_checkpoint_falls_back_to_the_one_before(checkpoint: Path, left: int) -> None:
    for number in (1, 2):
        save_checkpoint(checkpoint, {"a": torch.full((100,), float(number))}, {"update": number})
    checkpoint.write_bytes(checkpoint.read_bytes()[:left])
    loaded = load_checkpoint(checkpoint)
    assert loaded is not None
    assert loaded[1] == {"update": 1}
    assert torch.equal(loaded[0]["a"], torch.full((100,), 1.0))


def test_killed_between_the_two_moves(checkpoint: Path) -> None:
    save_checkpoint(checkpoint, {"a": torch.ones(3)}, {"update": 5})
    checkpoint.rename(previous(checkpoint))
    loaded = load_checkpoint(checkpoint)
    assert loaded is not None
    assert loaded[1] == {"update": 5}


def test_nothing_that_can_be_read_is_told(checkpoint: Path) -> None:
    for number in (1, 2):
        save_checkpoint(checkpoint, {"a": torch.ones(3)}, {"update": number})
    for path in (checkpoint, previous(checkpoint)):
        path.write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="damaged") as caught:
        load_checkpoint(checkpoint)
    assert previous(checkpoint).name in caught.value.why


def test_a_disk_that_does_not_take_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UserError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "flow.safetensors", {"a": torch.ones(3)}, {})


def test_names_under_a_prefix_come_back() -> None:
    tensors = {"a": torch.ones(1), "a.b": torch.zeros(2)}
    both = {**with_prefix("net", tensors), **with_prefix("network", {"c": torch.ones(3)})}
    assert under_prefix("net", both) == tensors
    assert list(under_prefix("network", both)) == ["c"]


def test_an_optimiser_goes_on_as_if_never_saved(checkpoint: Path) -> None:
    def made() -> tuple[list[nn.Parameter], torch.optim.Adam]:
        parameters = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2, 2))]
        return parameters, adam([([parameters[0]], 0.1), ([parameters[1]], 0.01)])

    def move(parameters: list[nn.Parameter], optimiser: torch.optim.Adam, update: int) -> None:
        optimiser.zero_grad()
        noise = draws(0, 1, update)
        loss = sum((p * torch.randn(p.shape, generator=noise)).sum() + p.square().sum() for p in parameters)
        assert isinstance(loss, Tensor)
        torch.autograd.backward(loss)
        set_rate(optimiser, cosine_decay(update, 10))
        optimiser.step()

    parameters, optimiser = made()
    for update in range(4):
        move(parameters, optimiser, update)
    tensors = {"x": parameters[0], "y": parameters[1], **with_prefix("o", optimiser_tensors(optimiser))}
    save_checkpoint(checkpoint, tensors, {})
    loaded = load_checkpoint(checkpoint)
    assert loaded is not None
    copies, other = made()
    restore_optimiser(other, under_prefix("o", loaded[0]))
    with torch.no_grad():
        copies[0].copy_(loaded[0]["x"])
        copies[1].copy_(loaded[0]["y"])
    for update in range(4, 10):
        move(parameters, optimiser, update)
        move(copies, other, update)
    assert all(torch.equal(one, two) for one, two in zip(parameters, copies, strict=True))
    assert [group["peak"] for group in other.param_groups] == [0.1, 0.01]
    names = optimiser_tensors(optimiser)
    assert set(names) == {f"{index}.{what}" for index in (0, 1) for what in ("step", "exp_avg", "exp_avg_sq")}


# Draws, rates, averages, pace


def test_draws_differ_by_update_purpose_and_seed_and_repeat() -> None:
    def drawn(seed: int, purpose: int, update: int) -> tuple[float, ...]:
        return tuple(torch.rand(4, generator=draws(seed, purpose, update)).tolist())

    keys = [(seed, purpose, update) for seed in (0, 1, 2**31 - 1) for purpose in (1, 2, 3) for update in range(200)]
    values = [drawn(*key) for key in keys]
    assert len(set(values)) == len(keys)
    assert values == [drawn(*key) for key in keys]


@pytest.mark.parametrize("total", [1, 2, 9, 100, 5000])
def test_cosine_decay_warms_up_and_falls_to_nothing(total: int) -> None:
    factors = [cosine_decay(update, total) for update in range(total)]
    warm_up = min(WARM_UP_UPDATES, max(1, total // 10))
    assert all(0.0 < factor <= 1.0 for factor in factors)
    assert factors[:warm_up] == sorted(factors[:warm_up])
    assert factors[warm_up:] == sorted(factors[warm_up:], reverse=True)
    assert max(factors) > 0.97 or total < 10
    assert cosine_decay(total, total) == pytest.approx(0.0, abs=1e-12)


def test_each_group_keeps_its_own_highest_rate() -> None:
    optimiser = adam([([nn.Parameter(torch.ones(1))], 0.1), ([nn.Parameter(torch.ones(1))], 0.01)])
    set_rate(optimiser, 0.5)
    set_rate(optimiser, 0.25)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.025, 0.0025])


@pytest.mark.parametrize("relative_std", [0.005, 0.05, 0.1, 0.25])
def test_the_average_of_weights_has_the_width_that_was_asked_for(relative_std: float) -> None:
    """Of a network whose one weight is 1 at one update and 0 elsewhere, the averages are the profile itself."""
    updates = 2000
    decays = [(1 - 1 / (update + 1)) ** (power_of(relative_std) + 1) for update in range(updates)]
    profile = [(1 - decays[peak]) * math.prod(decays[peak + 1 :]) for peak in range(0, updates, 10)]
    weights = np.array(profile) / np.sum(profile)
    times = np.arange(0, updates, 10) / updates
    mean = (weights * times).sum()
    assert math.sqrt((weights * (times - mean) ** 2).sum()) == pytest.approx(relative_std, rel=0.05)


def test_the_average_of_weights_follows_and_smooths() -> None:
    """Against the definition: weights of update m count (m/n)^gamma, up to a factor."""
    network = nn.Linear(4, 1, bias=False)
    average = WeightAverage(network, 0.1)
    noise = torch.Generator().manual_seed(0)
    values = []
    for update in range(400):
        with torch.no_grad():
            network.weight.copy_(1.0 + torch.randn(1, 4, generator=noise))
        average.update(network, update)
        values.append(network.weight.detach().clone())
        if update == 0:
            assert torch.equal(average.weights["weight"], network.weight)  # nothing of what was before
    power = torch.arange(1, 401).double() ** power_of(0.1)
    expected = (torch.cat(values).double() * (power / power.sum())[:, None]).sum(dim=0)
    torch.testing.assert_close(average.weights["weight"][0].double(), expected, rtol=0, atol=0.005)
    other = WeightAverage(nn.Linear(4, 1, bias=False), 0.1)
    other.load(average.weights)
    assert torch.equal(other.weights["weight"], average.weights["weight"])


def test_rates_rise_and_fall_with_the_root_of_what_was_seen() -> None:
    settings = Settings(schedule="inverse-sqrt", ramp_up=1000, decay_from=4000)
    factors = {images: rate_factor(settings, images // 100 - 1, 10**6, 100) for images in (100, 1000, 4000, 16000)}
    assert factors == {100: pytest.approx(0.1), 1000: 1.0, 4000: 1.0, 16000: pytest.approx(0.5)}
    assert rate_factor(Settings(), 7, 50, 100) == cosine_decay(7, 50)


def test_a_loss_that_runs_away_is_told() -> None:
    def seen(losses: list[float]) -> Watch:
        watch = Watch(torch.device("cpu"), 4.0)
        for update, loss in enumerate(losses):
            watch.see(torch.tensor(loss), update)
        return watch

    calm = [1.0] * 60
    seen([9.0] * 5 + calm).check(Stage.FLOW)  # high at first only
    seen([*calm, *[3.0] * 200]).check(Stage.FLOW)
    seen([100.0] * 3).check(Stage.FLOW)
    seen([*calm, 50.0]).check(Stage.FLOW)  # a single outlier
    with pytest.raises(UserError, match=r"grown to .* times"):
        seen([*calm, *[6.0] * 200]).check(Stage.FLOW)
    with pytest.raises(UserError, match="not finite"):
        seen([*calm, math.nan, *calm]).check(Stage.FLOW)
    resumed = Watch(torch.device("cpu"), 4.0)
    resumed.load(seen(calm).tensors())
    assert resumed.state == seen(calm).state


def test_what_takes_global_random_numbers_is_seeded_and_leaves_them_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn = []
    for _ in range(2):
        with seeded(1, torch.device("cpu")):
            drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    assert torch.equal(torch.rand(3), expected)


def test_pace_is_due_once_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(training.time, "monotonic", lambda: now[0])
    pace = Pace(2.0)
    due = []
    for moment in (100.0, 101.9, 102.0, 102.1, 103.9, 110.0, 110.1):
        now[0] = moment
        due.append(pace.due())
    assert due == [False, False, True, False, False, True, False]
