"""The launcher: what it decides, and what it says where it cannot go on. No test installs anything."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGING = ROOT / "packaging"

POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="shell scripts are for Linux and macOS")


def load_launcher() -> ModuleType:
    # By path: the folder has the name of a package that pytest imports, so it must never be on sys.path.
    spec = importlib.util.spec_from_file_location("ddm_launcher", PACKAGING / "launch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


launch = load_launcher()


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A Linux with apt-get and without libGL, where the launcher is nobody in particular; programs are name: path."""
    programs = {"apt-get": "/usr/bin/apt-get"}
    monkeypatch.setattr(launch.sys, "platform", "linux")
    monkeypatch.setattr(launch, "is_present", lambda probe: probe != "libGL.so.1")
    monkeypatch.setattr(launch.shutil, "which", programs.get)
    monkeypatch.setattr(launch.os, "geteuid", lambda: 1000, raising=False)
    return programs


# System packages


def test_the_list_names_each_package_once_with_a_known_need() -> None:
    packages = launch.read_packages()
    names = [package.name for package in packages]
    assert len(names) == len(set(names))
    assert {package.need for package in packages} == {"install", "qt", "window"}


def test_missing_packages_are_those_of_the_needs_that_are_not_present() -> None:
    packages = [
        launch.SystemPackage("libgl1", "libGL.so.1", "qt"),
        launch.SystemPackage("libegl1", "libEGL.so.1", "qt"),
        launch.SystemPackage("libxcb-cursor0", "libxcb-cursor.so.0", "window"),
    ]

    def absent(probe: str) -> bool:
        return probe == "libEGL.so.1"

    assert launch.missing_packages({"install"}, packages, absent) == []
    assert launch.missing_packages({"qt"}, packages, absent) == ["libgl1"]
    assert launch.missing_packages({"qt", "window"}, packages, absent) == ["libgl1", "libxcb-cursor0"]


def test_the_venv_package_is_that_of_the_python_that_runs() -> None:
    packages = [launch.SystemPackage("python3-venv", "ensurepip", "install")]
    expected = f"python3.{sys.version_info.minor}-venv"
    assert launch.missing_packages({"install"}, packages, lambda probe: False) == [expected]


def test_a_probe_finds_what_is_there_and_misses_what_is_not() -> None:
    assert launch.is_present("json")
    assert not launch.is_present("a_module_that_nobody_wrote")
    assert not launch.is_present("libnobody-wrote-this.so.1")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="shared libraries are named so on Linux only")
def test_a_probe_finds_the_c_library() -> None:
    assert launch.is_present("libc.so.6")


def test_the_line_to_type_uses_sudo_where_there_is_one() -> None:
    assert launch.line_to_type(["a", "b"], has_sudo=True) == (
        "sudo apt-get update && sudo apt-get install -y --no-install-recommends a b"
    )
    assert launch.line_to_type(["a"], has_sudo=False) == (
        "su -c 'apt-get update && apt-get install -y --no-install-recommends a'"
    )


def test_without_rights_it_stops_with_the_line_to_type(debian: dict[str, str]) -> None:
    with pytest.raises(launch.Stop) as stopped:
        launch.ensure_system({"install", "qt"})
    assert "Nothing was installed" in str(stopped.value)
    assert str(stopped.value).endswith("apt-get install -y --no-install-recommends libgl1'")


def test_without_apt_it_names_the_library(debian: dict[str, str]) -> None:
    debian.clear()
    with pytest.raises(launch.Stop, match=r"lacks libGL\.so\.1"):
        launch.ensure_system({"qt"})


def test_a_sudo_that_asks_is_not_used(debian: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\nexit 1\n")
    sudo.chmod(0o755)
    debian["sudo"] = str(sudo)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert launch.root_prefix() is None
    with pytest.raises(launch.Stop, match="sudo apt-get update && sudo apt-get install"):
        launch.ensure_system({"qt"})


@POSIX_ONLY
def test_a_sudo_without_a_question_installs(
    debian: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    sudo = tmp_path / "sudo"
    sudo.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{asked}\n')
    sudo.chmod(0o755)
    debian["sudo"] = str(sudo)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(launch.Stop, match="could not be installed: libgl1"):  # this sudo installs nothing
        launch.ensure_system({"qt"})
    first, second = asked.read_text().splitlines()
    assert first == "-n true"
    assert second.endswith("apt-get install -y --no-install-recommends libgl1")


def test_an_action_needs_only_what_it_shows() -> None:
    assert launch.needs_of("start", display=False) == {"install"}
    assert launch.needs_of("test", display=False) == {"install", "qt"}
    assert launch.needs_of("start", display=True) == {"install", "qt", "window"}


# The display


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": "", "WAYLAND_DISPLAY": ""}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("win32", {}, True),
    ],
)
def test_where_a_window_can_be_shown(platform: str, environment: dict[str, str], expected: bool) -> None:
    assert launch.has_display(platform, environment) is expected


def test_start_opens_the_window_and_passes_the_project_on() -> None:
    command = launch.start_command(["my photos/project.ddm"], display=True)
    assert command == [str(launch.venv_tool("ddm-gui")), "my photos/project.ddm"]


def test_start_without_a_display_runs_the_demo() -> None:
    command = launch.start_command(["--output", "out"], display=False)
    assert command == [str(launch.venv_tool("ddm")), "demo", "--output", "out"]


def test_a_project_cannot_be_opened_without_a_display() -> None:
    with pytest.raises(launch.Stop, match=r"no display here, so project\.ddm cannot be opened"):
        launch.start_command(["project.ddm"], display=False)


# What is installed already


KEYS = {"torch": "t", "project": "p", "test": "x"}


def state(unfinished: str | None = None, **done: str) -> object:
    return launch.State("/home/anna/ddm_gui", unfinished, done)


def test_nothing_is_installed_twice() -> None:
    assert launch.steps_to_do(state(torch="t", project="p"), KEYS, ["torch", "project"]) == []


def test_the_tests_need_one_step_more() -> None:
    assert launch.steps_to_do(state(torch="t", project="p"), KEYS, ["torch", "project", "test"]) == ["test"]


def test_what_was_installed_from_other_files_is_installed_again() -> None:
    assert launch.steps_to_do(state(torch="t", project="old"), KEYS, ["torch", "project"]) == ["project"]
    assert launch.steps_to_do(None, KEYS, ["torch", "project"]) == ["torch", "project"]


def test_a_changed_pyproject_leaves_torch_alone() -> None:
    before = launch.step_keys(b"a", b"torch==1", "3.11.2")
    after = launch.step_keys(b"b", b"torch==1", "3.11.2")
    assert {step for step in before if before[step] != after[step]} == {"project", "test"}


def test_constraints_and_python_count_for_every_step() -> None:
    before = launch.step_keys(b"a", b"torch==1", "3.11.2")
    for after in (launch.step_keys(b"a", b"torch==2", "3.11.2"), launch.step_keys(b"a", b"torch==1", "3.12.0")):
        assert all(before[step] != after[step] for step in before)


@pytest.mark.parametrize(
    ("before", "python", "expected"),
    [
        (state(torch="t"), "3.11.2", False),
        (None, "3.11.2", False),  # an environment that someone else made, and that runs
        (None, None, True),
        (state(torch="t"), None, True),  # its Python is gone
        (state(unfinished="torch"), "3.11.2", True),
        (launch.State("/media/stick/ddm_gui", None, {}), "3.11.2", True),  # moved: its scripts name the old place
    ],
)
def test_when_the_environment_is_made_anew(before: object, python: str | None, expected: bool) -> None:
    assert launch.must_rebuild(before, python, "/home/anna/ddm_gui") is expected


def test_the_state_is_read_as_written(tmp_path: Path) -> None:
    assert launch.read_state(tmp_path) is None
    written = state(unfinished="test", torch="t")
    launch.write_state(tmp_path, written)
    assert launch.read_state(tmp_path) == written
    launch.state_file(tmp_path).write_text("{")
    assert launch.read_state(tmp_path) is None


def test_an_environment_without_python_has_no_version(tmp_path: Path) -> None:
    assert launch.venv_python_version(tmp_path) is None


def test_a_link_in_place_of_the_environment_is_not_touched(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    link = tmp_path / ".venv"
    try:
        link.symlink_to(other)
    except OSError:
        pytest.skip("links are not allowed here")
    with pytest.raises(launch.Stop, match="is a link"):
        launch.make_venv(link)
    assert other.is_dir()


# What pip could not do


@POSIX_ONLY
@pytest.mark.parametrize(
    ("log", "sentence", "rebuilt"),
    [
        ("NewConnectionError: no route", "could not be reached", False),
        ("Installing collected packages: torch\nOSError: [Errno 28] No space left on device", "disk is full", True),
    ],
)
def test_pip_fails_in_a_sentence(tmp_path: Path, log: str, sentence: str, rebuilt: bool) -> None:
    """Before pip writes packages nothing is half done; after that, the next start makes the environment anew."""
    python = launch.venv_tool("python", tmp_path)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nwhile [ "$1" != --log ]; do shift; done\necho "{log}" >>"$2"\nexit 1\n')
    python.chmod(0o755)
    (tmp_path / "ddm-install.log").write_text("Installing collected packages: of an earlier start\n")
    with pytest.raises(launch.Stop, match=sentence) as stopped:
        launch.pip_install(tmp_path, "torch", ["torch"], state())
    assert str(tmp_path / "ddm-install.log") in str(stopped.value)
    assert launch.must_rebuild(launch.read_state(tmp_path), "3.11.2", "/home/anna/ddm_gui") is rebuilt


def test_an_unknown_failure_points_to_the_log() -> None:
    assert launch.why_pip_failed("error: something new") == "The log says why."
    assert "Use Python" in launch.why_pip_failed("ERROR: No matching distribution found for torch==2.13.0")


def test_too_little_room_is_said_before_anything() -> None:
    launch.refuse_full_disk(10 * 10**9)
    with pytest.raises(launch.Stop, match=r"about 3 GB on this disk, and 1\.5 GB are free"):
        launch.refuse_full_disk(15 * 10**8)


# What is run


def test_all_checks_are_run_and_pytest_last() -> None:
    commands = launch.check_commands(["-k", "psf"], 2)
    assert [Path(command[0]).stem for command in commands] == ["ruff", "ruff", "mypy", "lint-imports", "pytest"]
    assert commands[-1][-2:] == ["-k", "psf"]


@pytest.mark.parametrize(("usable_cores", "processes"), [(1, 1), (2, 2), (4, 4), (64, 4)])
def test_tests_run_in_a_process_for_each_core_but_four_at_most(usable_cores: int, processes: int) -> None:
    assert launch.check_commands([], usable_cores)[-1][1:] == ["-n", str(processes)]


def test_what_is_typed_comes_last_so_that_it_counts() -> None:
    assert launch.check_commands(["-n", "0", "-x"], 2)[-1][1:] == ["-n", "2", "-n", "0", "-x"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot hold a process to some cores")
def test_only_cores_that_may_be_used_are_counted() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert launch.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert launch.cores() == len(allowed)


def test_a_stop_is_printed_and_ends_with_two(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert launch.main(["project.ddm"]) == 2
    assert "There is no display here" in capsys.readouterr().out


@POSIX_ONLY
@pytest.mark.parametrize("script", ["ddm-gui.sh", "test.sh"])
def test_without_any_python_the_script_says_what_to_do(tmp_path: Path, script: str) -> None:
    """A PATH on which there is no Python and no apt-get; only what the script itself calls."""
    for tool in ("sh", "dirname"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    ran = subprocess.run(
        ["sh", PACKAGING / script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "Install Python 3.13 or 3.12" in ran.stdout
    assert ran.stderr == ""


@POSIX_ONLY
def test_without_python_and_without_rights_the_script_prints_the_line(tmp_path: Path) -> None:
    for tool in ("sh", "dirname"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    for name, text in (("apt-get", "echo must not run; exit 9"), ("id", "echo 1000")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    ran = subprocess.run(
        ["sh", PACKAGING / "test.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    packages = "python3 python3-venv libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0"
    assert ran.stdout.endswith(f"\nsu -c 'apt-get update && apt-get install -y --no-install-recommends {packages}'\n")


@POSIX_ONLY
@pytest.mark.parametrize(
    "script", sorted(path.name for path in PACKAGING.iterdir() if path.suffix in (".sh", ".command"))
)
def test_each_script_is_readable_to_a_plain_shell(script: str) -> None:
    subprocess.run(["sh", "-n", PACKAGING / script], check=True)


def test_windows_scripts_keep_their_line_ends() -> None:
    for path in PACKAGING.glob("*.bat"):
        content = path.read_bytes()
        assert content.count(b"\r\n") == content.count(b"\n") > 0


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="desktop-file-utils is not installed")
def test_the_desktop_file_is_valid() -> None:
    ran = subprocess.run(
        ["desktop-file-validate", PACKAGING / "ddm-gui.desktop"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
