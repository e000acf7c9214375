"""Installs the program into `.venv` beside it and starts it, or runs its tests. Standard library only.

    launch.py [start] [ARGUMENT...]   set up, then open the window; where there is no display, run the demo
    launch.py test [ARGUMENT...]      set up, then run all checks; arguments go to pytest

Exit codes: 0 done, 2 something that a person can mend (nothing is left half done), 1 a check failed, 130 interrupted.
The second start installs nothing: `.venv/ddm-launch.json` tells what was installed from what.
"""

import sys

# Before anything else, and in a syntax that old Pythons can read, so that they print this and no traceback.
if sys.version_info < (3, 11):  # noqa: UP036
    print("ddm_gui needs Python 3.11 or newer; this is Python {}.{}.".format(*sys.version_info[:2]))
    print("Install Python 3.13 or 3.12, then start again.")
    sys.exit(2)

import contextlib
import ctypes
import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = ROOT / "pyproject.toml"
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
DEBIAN_PACKAGES = ROOT / "packaging" / "debian-packages.txt"
VENV = ROOT / ".venv"

# What .venv takes with a CPU build of torch, and pip's temporary copies while it installs.
BYTES_NEEDED = 3_000_000_000

# In which tests run at the same time: each needs about 1 GB of memory.
MOST_PROCESSES = 4


class Stop(Exception):
    """Something that a person can mend, in plain sentences; the launcher prints it and exits with code 2."""


def say(text: str) -> None:
    """Prints at once: pip and apt write to the same terminal."""
    print(text, flush=True)


# What the system must have


class SystemPackage(NamedTuple):
    """One line of debian-packages.txt: the package, what shows that it is there, what it is needed for."""

    name: str
    probe: str
    need: str


def read_packages(path: Path = DEBIAN_PACKAGES) -> list[SystemPackage]:
    """The list of system packages."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [SystemPackage(*line.split()) for line in lines if line.strip() and not line.startswith("#")]


def is_present(probe: str) -> bool:
    """Whether this Python can load what a package brings: a shared library by its name, or a module."""
    if ".so" not in probe:
        return probe == "python3" or importlib.util.find_spec(probe) is not None
    try:
        ctypes.CDLL(probe)
    except OSError:
        return False
    return True


def missing_packages(needs: set[str], packages: Sequence[SystemPackage], present: Callable[[str], bool]) -> list[str]:
    """Names of the packages for these needs whose probe is not present."""
    names = [package.name for package in packages if package.need in needs and not present(package.probe)]
    # Debian has python3-venv for its own Python and python3.X-venv for each: the one of the Python that runs is meant.
    own = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    return [own if name == "python3-venv" else name for name in names]


def has_display(platform: str, environment: Mapping[str, str]) -> bool:
    """Whether a window can be shown. Windows and macOS always have a screen; elsewhere X11 or Wayland says so."""
    if platform in ("win32", "darwin"):
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def apt_command(names: Sequence[str]) -> str:
    """The shell command that installs packages, for root."""
    return f"apt-get update && apt-get install -y --no-install-recommends {' '.join(names)}"


def line_to_type(names: Sequence[str], has_sudo: bool) -> str:
    """The one line by which a person installs packages."""
    command = apt_command(names)
    if has_sudo:
        return command.replace("apt-get", "sudo apt-get")
    return f"su -c {shlex.quote(command)}"


def root_prefix() -> list[str] | None:
    """What to put before a command so that it runs as root without a question; None where there is no such way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def ensure_system(needs: set[str]) -> None:
    """Installs missing system packages where that is allowed.

    Raises:
        Stop: something is missing and may not be, or could not be, installed; nothing was begun.
    """
    if not sys.platform.startswith("linux"):
        return
    packages = read_packages()
    missing = missing_packages(needs, packages, is_present)
    if not missing:
        return
    if shutil.which("apt-get") is None:
        probes = [package.probe for package in packages if package.need in needs and not is_present(package.probe)]
        raise Stop(
            f"This system lacks {', '.join(probes)}.\n"
            "Install the packages that bring them with your system's package manager, then start again."
        )
    line = line_to_type(missing, shutil.which("sudo") is not None)
    prefix = root_prefix()
    if prefix is None:
        raise Stop(
            f"Some system packages are missing. Nothing was installed. Type this line, then start again:\n\n{line}"
        )
    say(f"Installing system packages: {' '.join(missing)}")
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", apt_command(missing)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    left = missing_packages(needs, packages, is_present)
    if done.returncode != 0 or left:
        raise Stop(
            f"These system packages could not be installed: {' '.join(left or missing)}.\n"
            f"apt-get says why above. When that is mended, start again, or type this line first:\n\n{line}"
        )


# The virtual environment


class State(NamedTuple):
    """What `.venv/ddm-launch.json` holds: where the checkout was, the step under way, and what finished from what."""

    root: str
    unfinished: str | None
    done: dict[str, str]


def venv_tool(name: str, venv: Path = VENV, platform: str = sys.platform) -> Path:
    """Where a program of the virtual environment lies."""
    return venv / "Scripts" / f"{name}.exe" if platform == "win32" else venv / "bin" / name


def state_file(venv: Path) -> Path:
    return venv / "ddm-launch.json"


def read_state(venv: Path) -> State | None:
    """What was installed, or None where that is not known."""
    try:
        content = json.loads(state_file(venv).read_text(encoding="utf-8"))
        return State(str(content["root"]), content["unfinished"], dict(content["done"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing or damaged: both mean that the steps are done again


def write_state(venv: Path, state: State) -> None:
    """Written aside and moved into place, so that it is never half there."""
    aside = state_file(venv).with_suffix(".new")
    aside.write_text(json.dumps(state._asdict(), indent=2), encoding="utf-8")
    os.replace(aside, state_file(venv))


def step_keys(pyproject: bytes, constraints: bytes, python: str) -> dict[str, str]:
    """For each step of the installation, in order, a hash of all that it depends on."""

    def key(*parts: bytes) -> str:
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    version = python.encode()
    return {
        "torch": key(b"torch", constraints, version),
        "project": key(b"project", pyproject, constraints, version),
        "test": key(b"test", pyproject, constraints, version),
    }


def must_rebuild(state: State | None, python: str | None, root: str) -> bool:
    """Whether `.venv` is of no use: it does not run, a step was cut off in it, or the folder was moved."""
    if python is None:
        return True
    return state is not None and (state.unfinished is not None or state.root != root)


def steps_to_do(state: State | None, keys: Mapping[str, str], wanted: Sequence[str]) -> list[str]:
    """The wanted steps that are not done, or were done from other files."""
    done = state.done if state else {}
    return [step for step in wanted if done.get(step) != keys[step]]


def venv_python_version(venv: Path) -> str | None:
    """Version of the environment's Python, such as '3.11.2'; None where it, or its pip, does not run."""
    python = venv_tool("python", venv)
    code = "import pip, sys; print('%d.%d.%d' % sys.version_info[:3]); sys.exit(sys.version_info < (3, 11))"
    try:
        asked = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=False, env=clean_environment()
        )
    except OSError:
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def clean_environment() -> dict[str, str]:
    """The environment without what would make a virtual environment's Python, or pip, look elsewhere."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    environment["PIP_USER"] = "0"
    return environment


def make_venv(venv: Path) -> None:
    """Makes an empty virtual environment, in place of what is there.

    Raises:
        Stop: it cannot be made.
    """
    if venv.is_symlink():
        raise Stop(f"{venv} is a link to another folder, which is not touched. Remove the link, then start again.")
    say(f"Making a virtual environment in {venv}")
    try:
        if venv.exists():
            # Its Python first: cut off here, what is left does not run and so is not taken for something finished.
            venv_tool("python", venv).unlink(missing_ok=True)
            shutil.rmtree(venv)
        venv.mkdir()
        write_state(venv, State(str(ROOT), "venv", {}))
    except OSError as error:
        raise Stop(
            f"{venv} cannot be written: {error}. Put the program into a folder of yours, then start again."
        ) from error
    made = subprocess.run([sys.executable, "-m", "venv", venv], check=False, env=clean_environment())
    if made.returncode != 0:
        raise Stop(
            "The virtual environment could not be made; Python says why above. When that is mended, start again."
        )
    write_state(venv, State(str(ROOT), None, {}))


def why_pip_failed(log: str) -> str:
    """A sentence for a person, from what pip wrote."""
    if "No space left on device" in log or "[Errno 28]" in log:
        return "The disk is full. Make room (about 3 GB, more where torch comes with GPU libraries)."
    network = ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError")
    if any(word in log for word in network):
        return "The package index could not be reached. Check the network."
    if "No matching distribution found for torch" in log:
        return "There is no such torch for this Python on this kind of machine. Use Python 3.13, 3.12 or 3.11, 64-bit."
    return "The log says why."


def pip_install(venv: Path, step: str, arguments: Sequence[str | Path], state: State) -> State:
    """Runs one step of the installation and notes that it is done; returns what is installed then.

    Raises:
        Stop: pip failed. What it had finished stays, unless it had begun to write: then the next start begins anew.
    """
    log = venv / "ddm-install.log"
    before = log.stat().st_size if log.exists() else 0
    write_state(venv, state._replace(unfinished=step))
    pip: list[str | Path] = [
        venv_tool("python", venv),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
    ]
    command = [*pip, "--log", log, "--constraint", CONSTRAINTS, *arguments]
    ran = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False, env=clean_environment())
    if ran.returncode == 0:
        return state
    with log.open("rb") as file:
        file.seek(before)
        written = file.read().decode("utf-8", "replace")
    if "Installing collected packages" not in written:
        write_state(venv, state)
    raise Stop(f"pip could not install what is needed. {why_pip_failed(written)}\nThen start again. pip's log: {log}")


def refuse_full_disk(free: int) -> None:
    """Raises Stop where so many free bytes are too few for an installation."""
    if free < BYTES_NEEDED:
        raise Stop(
            f"The installation needs about {BYTES_NEEDED / 1e9:.0f} GB on this disk, and {free / 1e9:.1f} GB are free. "
            "Make room, then start again. Nothing was installed."
        )


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Where the system has file locks, a second launcher waits until the first has installed."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with PYPROJECT.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is installing; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


STEP_WORDS = {
    "torch": "Installing torch, the largest part",
    "project": "Installing ddm_gui and what it needs",
    "test": "Installing what the tests need",
}
STEP_ARGUMENTS: dict[str, list[str]] = {
    "torch": ["torch"],
    "project": ["--editable", "."],
    "test": ["--editable", ".[test]"],
}


def ensure_installed(venv: Path, wanted: Sequence[str]) -> None:
    """Makes or mends the virtual environment so that the wanted steps are done.

    Raises:
        Stop: it cannot be done; the sentence says what to do.
    """
    with one_at_a_time():
        state = read_state(venv)
        python = venv_python_version(venv)
        rebuild = must_rebuild(state, python, str(ROOT))
        if not rebuild and not steps_to_do(state, keys_for(python), wanted):
            return
        if rebuild or "torch" in steps_to_do(state, keys_for(python), wanted):
            refuse_full_disk(shutil.disk_usage(ROOT).free)
        if rebuild:
            if venv.exists():
                say("The virtual environment is broken, moved, or was not finished: it is made anew.")
            say("The first start installs about 1.5 GB, more where torch comes with GPU libraries: some minutes.")
            make_venv(venv)
            state, python = read_state(venv), venv_python_version(venv)
        keys = keys_for(python)
        state = state or State(str(ROOT), None, {})
        for step in steps_to_do(state, keys, wanted):
            say(f"{STEP_WORDS[step]} ...")
            pip_install(venv, step, STEP_ARGUMENTS[step], state)
            state = state._replace(done={**state.done, step: keys[step]})
            write_state(venv, state)


def keys_for(python: str | None) -> dict[str, str]:
    """The hashes of the steps for this checkout and the environment's Python."""
    return step_keys(PYPROJECT.read_bytes(), CONSTRAINTS.read_bytes(), python or "")


# What is run


def needs_of(action: str, display: bool) -> set[str]:
    """Which system packages an action needs: the demo on the command line needs no Qt."""
    needs = {"install"}
    if display or action == "test":
        needs.add("qt")
    if display:
        needs.add("window")
    return needs


def start_command(arguments: Sequence[str], display: bool) -> list[str]:
    """What the action 'start' runs: the window, or without a display the demo on the command line.

    Raises:
        Stop: a file is to be opened in a window, and there is no display.
    """
    if display:
        return [str(venv_tool("ddm-gui")), *arguments]
    if arguments and not arguments[0].startswith("-"):
        raise Stop(
            f"There is no display here, so {arguments[0]} cannot be opened in a window.\n"
            f"{venv_tool('ddm')} does the same work on the command line."
        )
    return [str(venv_tool("ddm")), "demo", *arguments]


def cores() -> int:
    """Of this machine, those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_commands(arguments: Sequence[str], usable_cores: int) -> list[list[str]]:
    """All checks, pytest last, so that its closing line closes; the tests in a process for each core."""
    # The programs themselves, not `python -m`: that would put the folder `packaging` in the way of the package of
    # the same name.
    checks = [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports", "--no-logo"]]
    # Before what a person types: of two numbers pytest takes the last, so that `-n 0` runs them in one process.
    pytest = ["pytest", "-n", str(min(usable_cores, MOST_PROCESSES)), *arguments]
    return [[str(venv_tool(name)), *rest] for name, *rest in [*checks, pytest]]


def become(command: Sequence[str]) -> NoReturn:
    """Runs a program in place of this one, with its exit code."""
    if sys.platform == "win32":  # has no exec that a console waits for
        sys.exit(subprocess.run(command, check=False).returncode)
    sys.stdout.flush()
    os.execv(command[0], list(command))


def start(arguments: Sequence[str], display: bool) -> NoReturn:
    """Sets up what is missing and starts the program in place of this one."""
    command = start_command(arguments, display)
    ensure_system(needs_of("start", display))
    ensure_installed(VENV, ["torch", "project"])
    if not display:
        say(
            "There is no display here, so this runs the demo on the command line instead of opening the window.\n"
            f"For your own photos: {venv_tool('ddm')} --help"
        )
    become(command)


def test(arguments: Sequence[str], display: bool) -> int:
    """Sets up what is missing and runs all checks; 1 where one of them failed."""
    ensure_system(needs_of("test", display))
    ensure_installed(VENV, ["torch", "project", "test"])
    environment = clean_environment()
    if not display:
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    # Beside another busy program torch's threads wait for each other: a test of seconds took five minutes.
    environment.setdefault("OMP_NUM_THREADS", "1")
    failed = []
    for command in check_commands(arguments, cores()):
        name = " ".join([Path(command[0]).stem, *command[1:]])
        say(f"\n$ {name}")
        if subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode != 0:
            failed.append(name)
    if failed:
        say(f"\nFailed: {', '.join(failed)}")
    return 1 if failed else 0


def main(arguments: Sequence[str]) -> int:
    """Reads the action, does it, and returns the exit code."""
    action, *rest = arguments if arguments and arguments[0] in ("start", "test") else ["start", *arguments]
    display = has_display(sys.platform, os.environ)
    try:
        return (test if action == "test" else start)(rest, display)
    except Stop as stop:
        say(f"\n{stop}")
        return 2
    except KeyboardInterrupt:
        say("\nInterrupted. Start again to go on.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
