"""The distributions, built and installed as a user gets them."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.message import Message
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmio.reports.page import SCRIPTS
from tests.needs import need

ROOT = Path(__file__).parent.parent
PACKAGES = {"decode", "emulate", "mmio", "pagetrap"}
NOT_SOURCE = (".*_cache", ".git", ".hypothesis", ".venv", "__pycache__", "*.egg-info", "build", "dist")

# Built once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = pytest.mark.xdist_group("packaging")


def _run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the source tree and return its output; fail with all of it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether pip finds packages; where it does not, what is installed here takes their place."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--retries=0", "--timeout=10", "--no-deps", "attrs"]
    return (
        subprocess.run(command, cwd=tmp_path_factory.mktemp("online"), capture_output=True, check=False).returncode == 0
    )


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory, online: bool) -> Path:
    """A directory with the sdist and the wheel, which is built from the unpacked sdist."""
    place = tmp_path_factory.mktemp("dist")
    source = place / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    if not online:
        recent = find_spec("setuptools") and int(version("setuptools").partition(".")[0]) >= 68
        need(recent, "setuptools 68 or later (pip install setuptools), or a package index to get it from")
    _run(sys.executable, "-m", "build", *[] if online else ["--no-isolation"], "--outdir", place, source, cwd=place)
    return place


@pytest.fixture(scope="module")
def clean(wheel: Path, online: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment in which nothing is but the wheel and its two dependencies."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(place, with_pip=True)
    options = [] if online else ["--no-deps"]
    _run(place / "bin" / "python", "-m", "pip", "install", "--quiet", *options, wheel, cwd=place)
    if not online:
        (site,) = place.glob("lib/python*/site-packages")
        for name in ("attr", "attrs", "iced_x86"):
            shutil.copytree(Path(str(find_spec(name).origin)).parent, site / name)  # type: ignore[union-attr]
    return place / "bin"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("pagetrap-*-py3-none-any.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """The wheel has every module and `py.typed` of the packages, the plugin, the manual page, the licence, no tests."""
    expected = {str(p.relative_to(ROOT)) for name in PACKAGES for p in (ROOT / name).rglob("*.py")}
    expected |= {f"{name}/py.typed" for name in PACKAGES} | {
        "pytest_pagetrap.py",
        "emulate/conformance/silicon.json.gz",
    }
    expected |= {"mmio/guests/init.sh", "mmio/guests/plugin.c"}
    expected |= {f"mmio/reports/{name}" for name in ("page.html", "report.css", *SCRIPTS)}
    expected |= {f"mmio/cortex_m/include/pagetrap_{name}.h" for name in ("cmsis", "run")}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if ".dist-info/" not in name and ".data/" not in name} == expected
    assert [name.partition(".data/")[2] for name in names if ".data/" in name] == ["data/share/man/man1/pagetrap.1"]
    assert any(name.endswith("/LICENSE") for name in names)


def test_source_distribution_is_the_whole_workshop(dist: Path) -> None:
    """A packager can run `make test` and `make demo` from the sdist."""
    (path,) = dist.glob("pagetrap-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"Makefile", "LICENSE", "pyproject.toml", "tests/test_packaging.py", "examples/nic/nic.c"}
    wanted |= {"CONTRIBUTING.md", "SECURITY.md", "docs/conf.py", "docs/architecture.svg"}
    assert wanted <= names


def test_metadata_declares_what_is_imported(metadata: Message) -> None:
    """Two dependencies at run time, everything else an extra, Python 3.11 or later, MIT."""
    requirements = metadata.get_all("Requires-Dist", [])
    assert {r for r in requirements if "extra ==" not in r} == {"attrs>=22.2", "iced-x86>=1.21"}
    extras = set(metadata.get_all("Provides-Extra", []))
    assert extras == {"cli", "data", "hypothesis", "parquet", "svd", "firmware", "rdl", "plot", "docs", "test"}
    assert metadata["Requires-Python"] == ">=3.11"
    assert "MIT" in (metadata["License-Expression"], metadata["License"])


def test_wheel_works_in_a_clean_environment(clean: Path, metadata: Message, tmp_path: Path) -> None:
    """Installed with its two dependencies only, every package imports and the command runs, under both its names."""
    where = "import decode, emulate, mmio; print(decode.__file__, emulate.__file__, mmio.__file__)"
    imported = _run(clean / "python", "-c", where, cwd=tmp_path).split()
    assert [Path(path).is_relative_to(clean.parent) for path in imported] == [True, True, True]
    assert _run(clean / "pagetrap", "--version", cwd=tmp_path) == f"pagetrap {metadata['Version']}\n"
    assert _run(clean / "pagetrap", "decode", "8b4710", cwd=tmp_path).startswith("mov eax,[rdi+10h]")
    assert "pagetrap trace" in _run(clean / "pagetrap", "--help", cwd=tmp_path)
    assert "pagetrap trace" in _run(clean / "python", "-m", "mmio", "--help", cwd=tmp_path)


def test_every_module_imports_in_a_clean_environment(clean: Path, tmp_path: Path) -> None:
    """No module needs an extra to be imported, but `mmio.strategies`, which are hypothesis' and say so."""
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__main__.py" and path.parent.name != "strategies"
    )
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    _run(clean / "python", "-c", code, *names, cwd=tmp_path)
    code = "try: from mmio.strategies import DriverMachine\nexcept ImportError as error: print(error)"
    needs = "mmio.strategies needs hypothesis: pip install 'pagetrap[hypothesis]'\n"
    assert _run(clean / "python", "-c", code, cwd=tmp_path) == needs


def test_data_files_are_installed(clean: Path, tmp_path: Path) -> None:
    """What is no module is there, too: the recorded cases, the manual page."""
    cases = "from emulate.conformance import recorded; print(sum(1 for _ in recorded()) > 1000)"
    assert _run(clean / "python", "-c", cases, cwd=tmp_path) == "True\n"
    assert (clean.parent / "share" / "man" / "man1" / "pagetrap.1").is_file()


def test_a_user_sees_the_types(clean: Path, tmp_path: Path) -> None:
    """mypy, in strict mode, takes a user's program from the installed packages' types, lazy names included."""
    program = tmp_path / "user.py"
    program.write_text(
        "from decode import decode\n"
        "from emulate import Cpu, Emulator, Ram\n"
        "from mmio import Device, ioremap, register\n"
        "from mmio.traces.trace import Trace\n"
        "class Timer(Device):\n"
        "    ctrl = register(0)\n"
        "reveal_type(decode(b'', bits=64).length)\n"
        "reveal_type(Emulator(Ram(16)).step(Cpu()).mnemonic)\n"
        "with ioremap(Timer()) as mapping:\n"
        "    reveal_type(mapping.address)\n"
        "    trace: Trace = mapping.trace\n"
    )
    options: list[str | Path] = [
        "--strict",
        "--python-executable",
        clean / "python",
        "--cache-dir",
        tmp_path / "cache",
        "--no-color-output",
    ]
    shown = _run(sys.executable, "-m", "mypy", *options, program, cwd=tmp_path)
    revealed = [
        line.partition('is "')[2].rstrip('"').rpartition(".")[2] for line in shown.splitlines() if "Revealed" in line
    ]
    assert revealed == ["int", "str", "int"]
