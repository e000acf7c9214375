"""Devices: the processor always works, a GPU only when it proved sound, and an unknown name is told."""

from __future__ import annotations

import pytest
import torch

from ddm_gui.engine import devices
from ddm_gui.engine.devices import Device, choose_device, has_bf16, list_devices, reduced_precision
from ddm_gui.engine.errors import UserError


def test_the_processor_is_always_there_and_first() -> None:
    first = list_devices()[0]
    assert (first.name, first.sound, first.reason) == ("cpu", True, "")
    assert choose_device("cpu") == torch.device("cpu")


def test_auto_is_a_device_of_the_list() -> None:
    assert str(choose_device("auto")) in [device.name for device in list_devices() if device.sound]


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "CPU"])
def test_an_unknown_name_says_what_there_is(name: str) -> None:
    with pytest.raises(UserError, match="no device called") as caught:
        choose_device(name)
    assert "cpu" in caught.value.why


def test_an_unsound_gpu_is_passed_over_and_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Device("cuda:0", "Old card", 4.0, False, "Its self-test failed: no kernel image.")
    monkeypatch.setattr(devices, "list_devices", lambda: [Device("cpu", "Processor (CPU)", None, True), broken])
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="Old card") as caught:
        choose_device("cuda:0")
    assert "no kernel image" in caught.value.why


def test_the_self_test_passes_on_the_processor() -> None:
    image, weight = torch.randn(1, 4, 16, 16), torch.randn(4, 4, 3, 3)
    gradient, power = devices._self_test(image, weight)
    assert gradient.shape == weight.shape
    assert power.shape == (16, 9)
    assert gradient.isfinite().all()
    assert devices._fault(torch.device("cpu")) == ""


def test_the_self_test_finds_a_device_that_cannot_compute() -> None:
    """The 'meta' device holds no numbers, so nothing can be read back from it."""
    assert "self-test failed" in devices._fault(torch.device("meta"))


def test_the_self_test_finds_a_device_that_computes_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    right, calls = devices._self_test, []

    def wrong_at_first(image: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gradient, power = right(image, weight)
        calls.append(1)
        return gradient, power * (1.1 if len(calls) == 1 else 1.0)

    monkeypatch.setattr(devices, "_self_test", wrong_at_first)
    assert "another result" in devices._fault(torch.device("cpu"))


def test_reduced_precision_is_bf16_exactly_where_the_device_has_it() -> None:
    device = torch.device("cpu")
    with reduced_precision(device):
        product = torch.ones(4, 4) @ torch.ones(4, 4)
    assert product.dtype == (torch.bfloat16 if has_bf16(device) else torch.float32)
