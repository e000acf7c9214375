"""Files of a network's weights that a person points to: their tensors, by name. Nothing in a file is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ddm_gui.engine.errors import UserError

# What the libraries raise on a file that is damaged, or holds what they would have to run.
BAD_FILE = (
    SafetensorError,
    UnpicklingError,
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    EOFError,
    AttributeError,
    TypeError,
)


class BadWeights(ValueError):
    """Says in a sentence why a file cannot be used; what for, and what to choose instead, says who reads it."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file (.pth or .safetensors), by name, in float32 on the CPU, all values finite.

    Raises:
        UserError: there is no such file.
        BadWeights: it cannot be read, or holds something else.
    """
    if not path.is_file():
        raise UserError(f"There are no weights at {path}.", "The file does not exist.", "Choose another file.")
    try:
        if path.suffix.lower() == ".safetensors":
            content = load(path.read_bytes())  # no map of the file, which may be written anew meanwhile
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except BAD_FILE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadWeights(f"It cannot be read: {reason}.") from error
    if not isinstance(content, Mapping) or not content:
        raise BadWeights("It holds no tensors by name.")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            raise BadWeights(f"Its entry {name} is no tensor of numbers.")
        if not bool(torch.isfinite(tensor).all()):
            raise BadWeights(f"The tensor {name} holds values that are no numbers.")
    return {name: tensor.float() for name, tensor in content.items()}
