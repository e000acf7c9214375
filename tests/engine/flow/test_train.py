"""Step 1: the path, the patches, and training that stays finite."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from ddm_gui.engine import training
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, FlowProgress, Stage, StageDone, StageStarted
from ddm_gui.engine.flow import spectrum, train, velocity
from ddm_gui.engine.flow.spectrum import WINDOW, noise_floor, periodogram
from ddm_gui.engine.flow.train import FlowModel, FlowTraining, build_velocity, measured_floor, patches_seen, sample_path
from ddm_gui.engine.flow.whitening import SIZE, PlainPixels, Whitening
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.photos.photo import Photo, find_photos, write
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.training import load_checkpoint, run

CPU = torch.device("cpu")
TINY = Settings(patch_size=16, width=8, blocks=1, batch_size=8, images_flow=8 * 40, device="cpu")
SEEN = Whitening(torch.zeros(1, 1, SIZE, SIZE), 0.0)  # what a network must know of T: one channel of unit size


@pytest.fixture(autouse=True)
def fewer_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code on fewer patches."""
    monkeypatch.setattr(spectrum, "PATCHES", spectrum.BATCH)
    monkeypatch.setattr(train, "FLOOR_BATCHES", 4)


def pool_of(folder: Path, photos: list[np.ndarray]) -> PatchPool:
    folder.mkdir()
    for index, pixels in enumerate(photos):
        write(Photo(pixels.astype(np.float32), 8), folder / f"{index}.png")
    pool, _ = finish(
        PatchPool.load(find_photos([folder]), patch_size=WINDOW, channels=None, memory_budget_gb=1.0, seed=0)
    )
    assert isinstance(pool, PatchPool)
    return pool


def finish(run: Generator[Event, None, object]) -> tuple[object, list[Event]]:
    events: list[Event] = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as done:
            return done.value, events


@pytest.fixture
def pool(tmp_path: Path) -> PatchPool:
    """Three generated pictures, grey."""
    photos = [dead_leaves(112, 112, np.random.default_rng([1, index]))[..., :1] for index in range(3)]
    return pool_of(tmp_path / "leaves", photos)


def whitening_of(pool: PatchPool) -> Whitening:
    power = periodogram(pool, 0)
    return Whitening.design(power, noise_floor(power))


# The path


def test_a_sample_lies_on_the_path_from_noise_to_data() -> None:
    data = 3.0 + torch.randn(64, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    sample = sample_path(data, torch.Generator().manual_seed(0))
    torch.testing.assert_close(sample.y_t + (1 - sample.weight) * sample.target, data, rtol=1e-4, atol=1e-5)
    noise = sample.y_t - sample.weight * sample.target
    assert float(noise.mean()) == pytest.approx(0.0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1.0, abs=0.02)
    assert float((noise * (data - 3)).mean()) == pytest.approx(0.0, abs=0.02)


def test_each_stratum_of_t_has_one_draw() -> None:
    t = sample_path(torch.zeros(32, 1, 4, 4), torch.Generator().manual_seed(0)).t
    assert (t * 32).long().tolist() == list(range(32))
    assert float((t * 32).frac().std()) > 0.2


def test_the_same_stream_gives_the_same_sample() -> None:
    one, two = (sample_path(torch.ones(4, 1, 4, 4), torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one.y_t, two.y_t)
    assert torch.equal(one.t, two.t)


# What the networks see


def test_degraded_patches_are_whitened_of_equal_contrast_and_not_dull(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    half = 0.5 + 0.001 * rng.standard_normal((160, 160, 1))
    half[:, :80] = dead_leaves(160, 80, rng)[..., :1]
    pool = pool_of(tmp_path / "half", [half])
    whitening = whitening_of(pool)
    settings = TINY.with_changes({"batch_size": 16})
    batch, _ = patches_seen(pool, whitening, settings, CPU, torch.Generator().manual_seed(0))
    assert batch.shape == (16, 1, 16, 16)
    torch.testing.assert_close(batch.square().mean(dim=(1, 2, 3)), torch.ones(16))
    again, _ = patches_seen(pool, whitening, settings, CPU, torch.Generator().manual_seed(0))
    assert torch.equal(batch, again)


def test_colours_are_seen_as_one_luminance(tmp_path: Path) -> None:
    photos = [dead_leaves(112, 112, np.random.default_rng([2, index])) for index in range(2)]
    pool = pool_of(tmp_path / "colour", photos)
    assert pool.channels == 3
    batch, _ = patches_seen(pool, whitening_of(pool), TINY, CPU, torch.Generator().manual_seed(0))
    assert batch.shape == (8, 1, 16, 16)
    t = torch.full((8,), 0.5)
    assert build_velocity(TINY, SEEN)(batch, t).shape == batch.shape


def test_the_network_is_seeded_and_leaves_other_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = build_velocity(TINY, SEEN)
    assert torch.equal(torch.rand(3), expected)
    two, other = build_velocity(TINY, SEEN), build_velocity(TINY.with_changes({"seed": 1}), SEEN)
    weights = [model.state_dict()["enter.direction"] for model in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_networks_built_in_two_threads_at_once_are_the_seeds() -> None:
    """The window times networks in one thread while a run begins in another."""
    expected = build_velocity(TINY, SEEN).state_dict()
    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(lambda _: build_velocity(TINY, SEEN).state_dict(), range(200)))
    assert all(torch.equal(network[name], expected[name]) for network in built for name in expected)


# Training


def test_step_1_learns_and_gives_a_frozen_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tiles = [np.kron(rng.uniform(0.2, 0.8, (14, 14)), np.ones((8, 8)))[..., None] for _ in range(3)]
    pool = pool_of(tmp_path / "tiles", tiles)
    settings = TINY.with_changes({"images_flow": 8 * 200, "flow_rate": 0.01})
    model, events = finish(train.train_flow(pool, settings, CPU, tmp_path / "flow.safetensors", {}))
    assert isinstance(model, FlowModel)
    assert isinstance(events[0], StageStarted)
    assert isinstance(events[-1], StageDone)
    assert not model.velocity.training
    assert not any(parameter.requires_grad for parameter in model.velocity.parameters())
    assert math.isfinite(model.floor)
    assert model.floor >= 0.0
    assert model.spectrum.shape == (WINDOW, WINDOW, 1, 1)
    held_in, _ = pool.split(train.HELD_OUT, settings.seed)
    torch.testing.assert_close(model.spectrum, periodogram(held_in, settings.seed))
    untaught = build_velocity(settings, SEEN)
    losses = []
    for velocity_net in (untaught, model.velocity):
        total = 0.0
        for number in range(8):
            generator = torch.Generator().manual_seed(1000 + number)
            batch, _ = patches_seen(pool, model.sight, settings, CPU, generator)
            sample = sample_path(batch, generator)
            with torch.no_grad():
                total += float((velocity_net(sample.y_t, sample.t) - sample.target).square().mean()) / 8
        losses.append(total)
    assert losses[1] < losses[0] - 0.01  # better than knowing only that the patches are white


def test_a_finished_step_1_gives_the_same_model_again(pool: PatchPool, tmp_path: Path) -> None:
    first, _ = finish(train.train_flow(pool, TINY, CPU, tmp_path / "flow.safetensors", {}))
    second, events = finish(train.train_flow(pool, TINY, CPU, tmp_path / "flow.safetensors", {}))
    assert [type(event) for event in events] == [StageStarted, StageDone]
    assert isinstance(first, FlowModel)
    assert isinstance(second, FlowModel)
    assert first.floor == second.floor
    for one, two in zip(first.velocity.parameters(), second.velocity.parameters(), strict=True):
        assert torch.equal(one, two)


def test_200_updates_in_bf16_stay_finite(pool: PatchPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the processor has no bf16 of its own. The run of 2,000 updates is in tests/bench."""
    monkeypatch.setattr(velocity, "reduced_precision", lambda device: torch.autocast(device.type, torch.bfloat16))
    settings = TINY.with_changes({"images_flow": 8 * 200})
    trained = FlowTraining(pool, whitening_of(pool), settings, CPU)
    losses, norms = [], []
    for _ in range(trained.updates):
        trained.step()
        trained.update += 1
        progress = trained.progress(0.0)  # raises where either is not finite
        losses.append(progress.loss)
        norms.append(progress.gradient_norm)
    assert len(losses) == 200
    assert np.isfinite(losses).all()
    assert np.isfinite(norms).all()
    assert max(norms) < 100 * np.median(norms)
    assert np.mean(losses[-40:]) < np.mean(losses[:40])


@pytest.mark.parametrize("name", ["bias", "leave.gain"])
def test_a_poisoned_network_stops_the_run_and_spares_the_checkpoint(
    pool: PatchPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(training, "REPORT_SECONDS", 0.0)
    checkpoint = tmp_path / "flow.safetensors"
    whitening = whitening_of(pool)

    def poisoned() -> tuple[Generator[Event, None, None], FlowTraining]:
        trained = FlowTraining(pool, whitening, TINY, CPU)
        events = run(trained, checkpoint, {})
        for event in events:
            if isinstance(event, FlowProgress) and trained.update >= 3:
                break
        return events, trained

    events, _ = poisoned()
    events.close()
    good = checkpoint.read_bytes()
    for go_on in (next, Generator.close):
        events, trained = poisoned()
        with torch.no_grad():
            trained.network.get_parameter(name)[0] = math.nan
        with pytest.raises(UserError, match="not finite"):
            go_on(events)
        assert checkpoint.read_bytes() == good
    saved = load_checkpoint(checkpoint)
    assert saved is not None
    assert all(tensor.isfinite().all() for tensor in saved[0].values())


def test_no_rate_that_is_allowed_leaves_a_spoilt_checkpoint(pool: PatchPool, tmp_path: Path) -> None:
    """Filters of unit size forgive much; whatever happens, no checkpoint holds what is not finite."""
    checkpoint = tmp_path / "flow.safetensors"
    highest = next(item.metadata["high"] for item in fields(Settings) if item.name == "flow_rate")
    settings = TINY.with_changes({"flow_rate": highest})
    with contextlib.suppress(UserError):
        model, _ = finish(train.train_flow(pool, settings, CPU, checkpoint, {}))
        assert isinstance(model, FlowModel)
        assert math.isfinite(model.floor)
    saved = load_checkpoint(checkpoint)
    assert saved is None or all(tensor.isfinite().all() for tensor in saved[0].values())


def test_batches_of_one_update_are_one_large_batch(pool: PatchPool) -> None:
    """The gradient of four batches of 8 is that of the 32 patches together."""
    whitening = whitening_of(pool)
    trained = FlowTraining(pool, whitening, TINY.with_changes({"accumulate": 4}), CPU)
    assert (trained.batch_size, trained.updates) == (32, 10)
    generator, whole = training.draws(TINY.seed, train.DRAWS[Stage.FLOW], 0), build_velocity(TINY, whitening)
    samples = []
    for _ in range(4):
        samples.append(sample_path(patches_seen(pool, whitening, TINY, CPU, generator)[0], generator))
        torch.randint(2**62, (), generator=generator)  # the seed of dropout
    y_t, t, target = (torch.cat([getattr(sample, name) for sample in samples]) for name in ("y_t", "t", "target"))
    loss = (whole(y_t, t) - target).square().mean()
    torch.autograd.backward(loss)
    trained.step()
    gradients = (network.get_parameter("leave.gain").grad for network in (trained.network, whole))
    torch.testing.assert_close(*gradients, rtol=0.05, atol=1e-3)
    assert float(trained.losses[0]) == pytest.approx(float(loss.detach()), rel=1e-3)


def test_plain_pixels_keep_their_colours(tmp_path: Path) -> None:
    photos = [dead_leaves(112, 112, np.random.default_rng([2, index])) for index in range(2)]
    pool = pool_of(tmp_path / "colour", photos)
    settings = TINY.with_changes({"procedure": "alternating", "whiten": False, "images_flow": 64})
    model, _ = finish(train.train_flow(pool, settings, CPU, tmp_path / "flow.safetensors", {}))
    assert isinstance(model, FlowModel)
    assert model.sight == PlainPixels(3)
    batch, _ = patches_seen(pool, model.sight, settings, CPU, torch.Generator().manual_seed(0))
    assert batch.shape == (8, 3, 16, 16)
    assert -1.0 <= float(batch.min()) < 0.0 < float(batch.max()) <= 1.0
    assert model.velocity(batch, torch.full((8,), 0.5)).shape == batch.shape


# The floor


def test_the_floor_is_how_much_worse_unseen_photos_are(pool: PatchPool, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((112, 1, 1))
    stripes = pool_of(tmp_path / "stripes", [np.broadcast_to(0.2 + 0.6 * rows, (112, 112, 1))])
    whitening = whitening_of(pool)

    def smooth(y_t: torch.Tensor, _t: torch.Tensor) -> torch.Tensor:
        """Believes that neighbours along a row are alike: better for stripes."""
        return (y_t.roll(1, 3) + y_t.roll(-1, 3)) / 2

    def floor(seen: PatchPool, unseen: PatchPool) -> float:
        return measured_floor(smooth, whitening, seen, unseen, TINY, CPU)

    assert floor(pool, pool) == 0.0
    assert floor(stripes, pool) > 0.05
    assert floor(pool, stripes) == 0.0
