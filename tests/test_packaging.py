"""The distributions, built and installed as a user gets them."""

import email
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

import pagetrap
from mmio.reports.page import SCRIPTS
from pagetrap.names import SUBPACKAGES
from tests.distributions import ROOT, run

PACKAGES = {"decode", "emulate", "mmio", "pagetrap"}

# Built once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = [pytest.mark.xdist_group("packaging"), pytest.mark.timeout(600)]


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
    wanted |= {"newsfragments/README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/conf.py", "docs/architecture.svg"}
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
    """Installed with its two dependencies only, every package imports and the command runs, under all its names."""
    names = sorted(PACKAGES)
    where = f"import {', '.join(names)}; print({', '.join(f'{name}.__file__' for name in names)})"
    imported = run(clean / "python", "-c", where, cwd=tmp_path).split()
    assert [Path(path).is_relative_to(clean.parent) for path in imported] == [True] * len(names)
    assert run(clean / "pagetrap", "--version", cwd=tmp_path) == f"pagetrap {metadata['Version']}\n"
    assert run(clean / "pagetrap", "decode", "8b4710", cwd=tmp_path).startswith("mov eax,[rdi+10h]")
    assert "pagetrap trace" in run(clean / "pagetrap", "--help", cwd=tmp_path)
    for module in ("mmio", "pagetrap"):
        assert "pagetrap trace" in run(clean / "python", "-m", module, "--help", cwd=tmp_path)


def test_every_module_imports_in_a_clean_environment(clean: Path, tmp_path: Path) -> None:
    """No module needs an extra to be imported, but `mmio.strategies`, which are hypothesis' and say so."""
    names = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__main__.py" and path.parent.name != "strategies"
    )
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    run(clean / "python", "-c", code, *names, cwd=tmp_path)
    code = "try: from mmio.strategies import DriverMachine\nexcept ImportError as error: print(error)"
    needs = "mmio.strategies needs hypothesis: pip install 'pagetrap[hypothesis]'\n"
    assert run(clean / "python", "-c", code, cwd=tmp_path) == needs


def test_data_files_are_installed(clean: Path, tmp_path: Path) -> None:
    """What is no module is there, too: the recorded cases, the manual page."""
    cases = "from emulate.conformance import recorded; print(sum(1 for _ in recorded()) > 1000)"
    assert run(clean / "python", "-c", cases, cwd=tmp_path) == "True\n"
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
        "import pagetrap\n"
        "from pagetrap import *\n"
        "reveal_type(pagetrap.decode(b'').length)\n"
        f"names = [{', '.join(f'pagetrap.{name}' for name in [*pagetrap.__all__, *SUBPACKAGES])}]\n"
    )
    options: list[str | Path] = [
        "--strict",
        "--python-executable",
        clean / "python",
        "--cache-dir",
        tmp_path / "cache",
        "--no-color-output",
    ]
    shown = run(sys.executable, "-m", "mypy", *options, program, cwd=tmp_path)
    revealed = [
        line.partition('is "')[2].rstrip('"').rpartition(".")[2] for line in shown.splitlines() if "Revealed" in line
    ]
    assert revealed == ["int", "str", "int", "int"]
