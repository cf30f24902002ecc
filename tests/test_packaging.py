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
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"decode", "emulate", "mmio"}
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
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist and the wheel, which is built from the unpacked sdist."""
    place = tmp_path_factory.mktemp("dist")
    source = place / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    _run(sys.executable, "-m", "build", "--outdir", place, source, cwd=place)
    return place


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
    expected |= {f"{name}/py.typed" for name in PACKAGES} | {"pytest_pagetrap.py", "emulate/conformance/silicon.json"}
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
    assert wanted <= names


def test_metadata_declares_what_is_imported(metadata: Message) -> None:
    """Two dependencies at run time, everything else an extra, Python 3.11 or later, MIT."""
    requirements = metadata.get_all("Requires-Dist", [])
    assert {r for r in requirements if "extra ==" not in r} == {"attrs>=22.2", "iced-x86>=1.21"}
    extras = set(metadata.get_all("Provides-Extra", []))
    assert extras == {"cli", "parquet", "svd", "rdl", "plot", "docs", "test"}
    assert metadata["Requires-Python"] == ">=3.11"
    assert "MIT" in (metadata["License-Expression"], metadata["License"])


def test_wheel_works_in_a_clean_environment(wheel: Path, metadata: Message, tmp_path: Path) -> None:
    """Installed with its two dependencies only, every package imports and the command runs."""
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / "bin"
    _run(scripts / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)

    where = "import decode, emulate, mmio; print(decode.__file__, emulate.__file__, mmio.__file__)"
    imported = _run(scripts / "python", "-c", where, cwd=tmp_path).split()
    assert [Path(path).is_relative_to(tmp_path / "venv") for path in imported] == [True, True, True]
    assert _run(scripts / "pagetrap", "--version", cwd=tmp_path) == f"pagetrap {metadata['Version']}\n"
    assert _run(scripts / "pagetrap", "decode", "8b4710", cwd=tmp_path).startswith("mov eax,[rdi+10h]")
    assert (tmp_path / "venv" / "share" / "man" / "man1" / "pagetrap.1").is_file()
