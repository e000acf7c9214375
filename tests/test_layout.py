"""What the repository may hold, and who may import whom."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

TOP_LEVEL = {"ddm_gui", "resources", "tests", "packaging", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}

# Ways in which a file from elsewhere could run code here. `model.eval()` is another word, and an error can be caught.
UNSAFE = re.compile(
    r"(?<!allow_)pickle(?! import UnpicklingError$)|allow_pickle=True|weights_only=False|(?<![\w.])eval\("
)


def unsafe_lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if UNSAFE.search(line)]


@pytest.mark.parametrize(
    "line",
    ["import pickle", "np.load(p, allow_pickle=True)", "torch.load(p, weights_only=False)", "x = eval(text)"],
)
def test_the_search_finds_each_unsafe_way(line: str) -> None:
    assert unsafe_lines(f"a = 1\n    {line}\n") == [line]


def test_the_search_passes_what_is_safe() -> None:
    safe = "torch.load(p, weights_only=True)\nnp.load(p, allow_pickle=False)\nfrom pickle import UnpicklingError\n"
    assert unsafe_lines(f"model.eval()\nretrieval(x)\n{safe}") == []


def test_nothing_in_the_tree_is_unsafe() -> None:
    sources = [path for room in ("ddm_gui", "packaging", "tests") for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 10
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sources
        if path != Path(__file__).resolve() and (lines := unsafe_lines(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_the_top_level_holds_only_what_it_should() -> None:
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line]
    names = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(".") and not any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored)
    }
    assert names == TOP_LEVEL


def test_the_packaging_folder_is_no_package() -> None:
    # It would hide the package of the same name, which pip and pytest import.
    assert not list((ROOT / "packaging").rglob("__init__.py"))


def test_the_import_contracts_are_kept() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    if "importlinter" not in tools:
        pytest.skip("pyproject.toml has no import contracts")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_logo=True))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
