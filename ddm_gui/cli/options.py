"""Options of the command line, made from settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ddm_gui.cli.reporter import Reporter
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.photos.photo import LIMIT, SizeLimit
from ddm_gui.engine.presets import PRESETS, preset
from ddm_gui.engine.settings import Settings


def finish(parser: argparse.ArgumentParser, action: Callable[[argparse.Namespace, Reporter], int]) -> None:
    """What all commands share."""
    parser.add_argument("--json", action="store_true", help="print events as lines of JSON")
    parser.set_defaults(action=action)


def add_limit(parser: argparse.ArgumentParser) -> None:
    """For commands that read photos."""
    parser.add_argument(
        "--largest-photo",
        type=float,
        metavar="MP",
        help=f"refuse photos of more megapixels, by their headers (default: {SizeLimit.largest_photo:g}, or {LIMIT})",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """An option for each setting; those not typed do not appear among the arguments."""
    group = parser.add_argument_group("settings")
    group.add_argument("--preset", choices=list(PRESETS), help="a set of settings by name (default: quick)")
    add_fields(group, Settings)


def add_fields(group: Any, settings: type[Settings] | type[DenoiserSettings]) -> None:
    """An option for each field."""
    for item in fields(settings):
        meta = item.metadata
        typed = option(item.name)
        default = "as the photos are" if item.default is None else item.default
        text = f"{meta['help']} (default: {default}{' ' + meta['unit'] if meta['unit'] else ''})".replace("%", "%%")
        if isinstance(item.default, bool):
            group.add_argument(
                typed, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=meta["help"]
            )
        else:
            kind = str if isinstance(item.default, str) and not meta["choices"] else value
            group.add_argument(typed, type=kind, default=argparse.SUPPRESS, metavar=_metavar(meta), help=text)


def add_kinds(parser: argparse.ArgumentParser, kinds: Mapping[str, type[Any]], title: str) -> None:
    """An option for each setting of each kind; those not typed do not appear among the arguments."""
    group = parser.add_argument_group(title)
    words: dict[str, list[str]] = {}
    units: dict[str, str] = {}
    kinds_of_value: dict[str, Callable[[str], Any]] = {}
    for name, kind in kinds.items():
        for item in fields(kind):
            default = f" (default: {item.default:g})" if isinstance(item.default, int | float) else ""
            words.setdefault(item.name, []).append(f"{name}: {item.metadata['help']}{default}")
            kinds_of_value[item.name] = str if isinstance(item.default, str) else value
            unit = "NAME" if isinstance(item.default, str) else "N"
            units[item.name] = item.metadata["unit"].split(" ")[0] or unit
    for name, texts in words.items():
        group.add_argument(
            option(name),
            type=kinds_of_value[name],
            default=argparse.SUPPRESS,
            metavar=units[name],
            help="; ".join(texts),
        )


def option(name: str) -> str:
    """How a setting is typed."""
    return "--" + name.replace("_", "-")


def value(text: str) -> int | float | str:
    """A number where it reads as one; Settings says whether it is allowed."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _metavar(meta: Any) -> str:
    """What the help shows for a value."""
    words = [str(choice) for choice in meta["choices"] if choice is not None]
    if meta["low"] is not None:
        words.append(meta["unit"] or "N")
    return "|".join(words) or "NAME"


def chosen_settings(arguments: argparse.Namespace, base: Settings) -> Settings:
    """The preset named, or `base`, with the settings that were typed."""
    if arguments.preset is not None:
        base = preset(arguments.preset)
    return base.with_changes(typed_of(arguments, Settings))


def typed_of(arguments: argparse.Namespace, *kinds: type[Any]) -> dict[str, Any]:
    """Of the fields of these kinds, those that were typed."""
    names = sorted({item.name for kind in kinds for item in fields(kind)})
    return {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
