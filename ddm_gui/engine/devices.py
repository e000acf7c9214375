"""Where a run computes: the devices of this machine, whether they are sound, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ddm_gui.engine.errors import UserError


@dataclass(frozen=True)
class Device:
    """A device by name ('cpu', 'cuda:0'), what to call it, its memory, and whether it passed the self-test."""

    name: str
    label: str
    memory_gb: float | None
    sound: bool
    reason: str = ""


def list_devices() -> list[Device]:
    """The CPU, then every CUDA device with the outcome of its self-test (about a second each)."""
    found = [Device("cpu", "Processor (CPU)", None, True)]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        about = torch.cuda.get_device_properties(index)
        reason = _fault(torch.device("cuda", index))
        found.append(Device(f"cuda:{index}", about.name, about.total_memory / 2**30, not reason, reason))
    return found


def choose_device(name: str) -> torch.device:
    """The device of the setting `device`: 'auto' is the first sound GPU, else the CPU.

    Raises:
        UserError: a device asked for by name is not there or fails its self-test.
    """
    torch.set_flush_denormal(True)  # denormal numbers slow some routines down fifty times
    if name == "cpu":
        return torch.device("cpu")
    devices = list_devices()
    if name == "auto":
        return torch.device(next((device.name for device in devices[1:] if device.sound), "cpu"))
    chosen = next((device for device in devices if device.name == name), None)
    if chosen is None:
        names = ", ".join(device.name for device in devices)
        raise UserError(f"There is no device called '{name}'.", f"This machine has: {names}.", "Choose one of them.")
    if not chosen.sound:
        raise UserError(f"{chosen.label} ({name}) cannot be used.", chosen.reason, "Choose the CPU; it always works.")
    return torch.device(name)


def _fault(device: torch.device) -> str:
    """Why a GPU is not sound, or '': a convolution, its gradient and an FFT are compared with the CPU's.

    A GPU that is seen may still have no kernels in this build of torch (older generations under CUDA 13).
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 4, 16, 16, generator=generator)
    weight = torch.randn(4, 4, 3, 3, generator=generator)
    try:
        on_gpu = [result.cpu() for result in _self_test(image.to(device), weight.to(device))]
    except (RuntimeError, AssertionError) as error:
        return f"Its self-test failed: {str(error).splitlines()[0]}"
    for ours, expected in zip(on_gpu, _self_test(image, weight), strict=True):
        if not torch.allclose(ours, expected, rtol=1e-2, atol=1e-2):
            return "Its self-test gave another result than the processor."
    return ""


def _self_test(image: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of a convolution, and an FFT power spectrum."""
    weight = weight.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(conv2d(image, weight).square().mean(), weight)
    return gradient, torch.fft.rfft2(image).abs().square().mean(dim=(0, 1))


def reduced_precision(device: torch.device) -> AbstractContextManager[None]:
    """bf16 autocast where the device computes in it natively, else nothing.

    Measured on two CPU cores: 0.28 TFLOP/s in float32, 1.1 to 1.7 in bf16 with channels_last.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device))


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes bf16 in hardware; emulated bf16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "sve_bf16", "bf16"))
