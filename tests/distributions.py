"""The distributions, built once, and environments in which they are installed as a user has them.

`python -m tests.distributions` (`make dist-check`) installs both with every Python that there is, and tries them.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.needs import need

ROOT = Path(__file__).parent.parent
NOT_SOURCE = (".*_cache", ".git", ".hypothesis", ".venv", "__pycache__", "*.egg-info", "build", "dist")


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """Run a command away from the source tree and return its output; fail with all of it on another exit status."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout if status == 0 else done.stdout + done.stderr


def build(place: Path, *, online: bool) -> None:
    """Build the sdist, and from it, unpacked, the wheel."""
    source = place / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    isolation = [] if online else ["--no-isolation"]
    run(sys.executable, "-m", "build", *isolation, "--outdir", place, source, cwd=place)
    shutil.rmtree(source)


@pytest.fixture(scope="session")
def online(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether pip finds packages; where it does not, what is installed here takes their place."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--retries=0", "--timeout=10", "--no-deps", "attrs"]
    return (
        subprocess.run(command, cwd=tmp_path_factory.mktemp("online"), capture_output=True, check=False).returncode == 0
    )


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory, online: bool) -> Path:
    """A directory with the sdist and the wheel, which is built from the unpacked sdist."""
    place = tmp_path_factory.mktemp("dist")
    if not online:
        recent = find_spec("setuptools") and int(version("setuptools").partition(".")[0]) >= 68
        need(recent, "setuptools 68 or later (pip install setuptools), or a package index to get it from")
    build(place, online=online)
    return place


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    """The wheel."""
    (path,) = dist.glob("pagetrap-*-py3-none-any.whl")
    return path


@pytest.fixture(scope="session")
def clean(wheel: Path, online: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment in which nothing is but the wheel and its two dependencies."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(place, with_pip=True)
    options = [] if online else ["--no-deps"]
    run(place / "bin" / "python", "-m", "pip", "install", "--quiet", *options, wheel, cwd=place)
    if not online:
        (site,) = place.glob("lib/python*/site-packages")
        for name in ("attr", "attrs", "iced_x86"):
            shutil.copytree(Path(str(find_spec(name).origin)).parent, site / name)  # type: ignore[union-attr]
    return place / "bin"


PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14", "python3.14t")
"""Interpreters that are looked for on PATH."""

_ACCESS = """\
import ctypes, pagetrap
from pagetrap import conformance
class Card:
    read = lambda self, offset, width: 42
    write = lambda self, offset, width, value: None
with pagetrap.ioremap(Card(), 4096) as mapping:
    assert ctypes.c_uint8.from_address(mapping.address).value == 42
assert len(conformance.recorded()) > 1000
"""


def interpreters(names: Sequence[str]) -> Iterator[Path]:
    """Yield the interpreters of these names that start and can make environments; of one version, the first."""
    seen = set()
    for name in names:
        path = shutil.which(name)
        asked = (
            "import ensurepip, sys, sysconfig, venv; print(sys.version, sysconfig.get_config_var('Py_GIL_DISABLED'))"
        )
        done = path and subprocess.run([path, "-c", asked], capture_output=True, text=True, check=False)
        if path and done and done.returncode == 0 and done.stdout not in seen:
            seen.add(done.stdout)
            yield Path(path)


def install_and_try(python: Path, distribution: Path, place: Path) -> str:
    """Install a distribution in a new environment and use it; return "ok" or the last line of what has failed."""
    steps: list[list[str | Path]] = [
        [python, "-m", "venv", place],
        [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", distribution],
        [place / "bin" / "pagetrap", "decode", "8b4710"],
        [place / "bin" / "python", "-m", "pagetrap", "--help"],
        [place / "bin" / "python", "-c", _ACCESS],
        [place / "bin" / "pagetrap", "doctor", "--json"],
    ]
    for step in steps:
        try:
            run(*step, cwd=place.parent)
        except AssertionError as error:
            return str(error).strip().rpartition("\n")[2]
    return "ok"


def main(names: Sequence[str]) -> int:
    """Build both into dist/ and try them; return the exit status."""
    place = ROOT / "dist"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    build(place, online=True)
    built = sorted(place.iterdir())
    print(*(f"{path.name}: {path.stat().st_size:,} bytes" for path in built), sep="\n")
    failed = 0
    for python in interpreters(names or PYTHONS):
        shown = run(python, "-VV", cwd=place).strip()
        for distribution in built:
            with TemporaryDirectory() as folder:
                result = install_and_try(python, distribution, Path(folder) / "venv")
            kind = "wheel" if distribution.suffix == ".whl" else "sdist"
            print(f"{shown}, {kind}: {result}", flush=True)
            failed += result != "ok"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
