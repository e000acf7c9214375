"""Finds out what a run can compute on, in a thread, after the window is there: this is where torch is first loaded."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QThread, Signal


@dataclass(frozen=True)
class Choice:
    """A device as the window offers it: `name` is the setting, `text` what a person reads, `reason` why it is not."""

    name: str
    text: str
    sound: bool
    reason: str


class DeviceSearch(QThread):
    """Lists the devices and tests each for a second."""

    found = Signal(object)  # tuple of Choice
    failed = Signal(object)  # the exception

    def run(self) -> None:
        """The thread itself; called by Qt."""
        try:
            from ddm_gui.engine.devices import list_devices

            choices = tuple(
                Choice(device.name, _text(device.label, device.memory_gb), device.sound, device.reason)
                for device in list_devices()
            )
        except Exception as error:
            self.failed.emit(error)
        else:
            self.found.emit(choices)


def _text(label: str, memory_gb: float | None) -> str:
    return f"{label}, {memory_gb:.0f} GB" if memory_gb else label
