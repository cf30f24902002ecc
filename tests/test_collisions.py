"""Other distributions with packages of the same names, installed by pip over pagetrap and under it.

They are built here, as an index has them: `mmio` and `decode` are distributions that have nothing to do with pagetrap.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.distributions import run

# The distributions are built once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = [pytest.mark.xdist_group("packaging"), pytest.mark.timeout(600)]

VERSION = "2.5"


def distribution(name: str, place: Path) -> Path:
    """Build a wheel that has one package of its own name (PyPA's binary distribution format)."""
    info = f"{name}-{VERSION}.dist-info"
    files = {
        f"{name}/__init__.py": f'"""Not of pagetrap."""\n\nNAME = "{name}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = place / f"{name}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


class Environment:
    """A virtual environment with pagetrap, for one test."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.python = place / "bin" / "python"
        (self.site,) = place.glob("lib/python*/site-packages")

    def pip(self, *arguments: str | Path) -> None:
        """Run its pip, without an index."""
        run(self.python, "-m", "pip", *arguments, cwd=self.place)

    def install(self, wheel: Path) -> None:
        """Install a wheel over what is there."""
        self.pip("install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", wheel)

    def mend(self, message: str) -> None:
        """Run the commands that a message gives."""
        steps = [line.strip() for line in message.splitlines() if line.startswith(f"  {self.python} -m pip ")]
        assert steps
        for step in steps:
            subprocess.run(step, shell=True, cwd=self.place, check=True, capture_output=True)

    def works(self) -> bool:
        """Return whether a driver's access reaches a device."""
        code = (
            "import ctypes, pagetrap\n"
            "class Card:\n"
            "    read = lambda self, offset, width: 42\n"
            "    write = lambda self, offset, width, value: None\n"
            "with pagetrap.ioremap(Card(), 4096) as mapping:\n"
            "    print(ctypes.c_uint8.from_address(mapping.address).value)\n"
        )
        return run(self.python, "-c", code, cwd=self.place) == "42\n"


@pytest.fixture
def environment(clean: Path, tmp_path: Path) -> Iterator[Environment]:
    """A copy of the clean environment: what a Python finds depends on where its pyvenv.cfg is."""
    place = tmp_path / "venv"
    shutil.copytree(clean.parent, place, symlinks=True)
    yield Environment(place)
    shutil.rmtree(place)


@pytest.mark.parametrize("name", ["mmio", "decode"])
def test_installed_over_pagetrap(name: str, environment: Environment, wheel: Path, tmp_path: Path) -> None:
    """The command and `import pagetrap` say whose file was found, and the commands they give mend it."""
    environment.install(distribution(name, tmp_path))
    found = environment.site / name / "__init__.py"
    expected = [
        f"{name!r} is not pagetrap's: {found} is of the distribution {name} {VERSION}",
        "pagetrap and a distribution with packages of these names cannot be in one environment",
        "to mend it:",
        f"  {environment.python} -m pip uninstall --yes {name}",
        f"  {environment.python} -m pip install --force-reinstall --no-deps {wheel.as_uri()}",
    ]
    said = run(environment.python, "-m", "pagetrap", "decode", "90", cwd=tmp_path, status=1)
    assert said.splitlines() == [f"pagetrap: {expected[0]}", *expected[1:]]

    use = "import pagetrap\ntry: pagetrap.ioremap\nexcept ImportError as error: print(error)"
    assert run(environment.python, "-c", use, cwd=tmp_path).splitlines() == expected

    report = run(environment.python, "-m", "pagetrap", "doctor", "--json", cwd=tmp_path, status=1)
    findings = {finding["name"]: finding for finding in json.loads(report)["findings"]}
    assert findings[name]["status"] == "failed"
    assert findings[name]["detail"].startswith(expected[0])
    assert "pip uninstall" in findings[f"{name} {VERSION}"]["detail"]
    assert f"{name}/__init__.py is not what was installed" in findings["installed files"]["detail"]
    assert findings["inprocess"]["detail"].endswith(f"not tried: see {name} above")

    environment.mend(said)
    assert environment.works()


def test_both_installed_over_pagetrap(environment: Environment, tmp_path: Path) -> None:
    """Two distributions are told together, and one command removes both."""
    for name in ("mmio", "decode"):
        environment.install(distribution(name, tmp_path))
    said = run(environment.python, "-m", "pagetrap", "--version", cwd=tmp_path, status=1)
    assert [line.partition(" is not")[0] for line in said.splitlines()[:2]] == ["pagetrap: 'decode'", "'mmio'"]
    assert f"  {environment.python} -m pip uninstall --yes decode mmio" in said.splitlines()
    environment.mend(said)
    assert environment.works()


def test_pagetrap_installed_over_it(environment: Environment, wheel: Path, tmp_path: Path) -> None:
    """Then pagetrap works, and doctor warns; uninstalling the other deletes files, which is reported, and corrected."""
    environment.install(distribution("mmio", tmp_path))
    environment.install(wheel)
    assert environment.works()
    report = run(environment.python, "-m", "pagetrap", "doctor", cwd=tmp_path)
    assert f"  warning mmio {VERSION}: has a package 'mmio', too: uninstalling it" in report

    environment.pip("uninstall", "--quiet", "--yes", "mmio")
    said = run(environment.python, "-m", "pagetrap", "decode", "90", cwd=tmp_path, status=1)
    assert said.splitlines() == [
        f"pagetrap: 'mmio', a package of pagetrap, has no __init__.py in {environment.site / 'mmio'}",
        "to mend it:",
        f"  {environment.python} -m pip install --force-reinstall --no-deps {wheel.as_uri()}",
    ]
    environment.mend(said)
    assert environment.works()


def test_the_pytest_plugin_says_so(environment: Environment, tmp_path: Path) -> None:
    """A test that asks for a trap ends with the message; one that does not runs as usual."""
    environment.install(distribution("mmio", tmp_path))
    (tmp_path / "test_it.py").write_text(
        "def test_without():\n    import mmio\n    assert mmio.NAME == 'mmio'\n\ndef test_with(mmio_trap):\n    pass\n"
    )
    outside = os.environ | {"PYTHONPATH": str(Path(pytest.__file__).parents[1])}  # pytest itself
    command: list[str | Path] = [
        environment.python,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        "-n",
        "0",
        "test_it.py",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    found = environment.site / "mmio" / "__init__.py"
    assert f"UsageError: 'mmio' is not pagetrap's: {found} is of the distribution mmio {VERSION}" in done.stdout
    option = subprocess.run(
        [*command, "--mmio-trace=run.jsonl"], cwd=tmp_path, env=outside, capture_output=True, text=True, check=False
    )
    assert option.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"'mmio' is not pagetrap's: {found}" in option.stderr


def test_a_module_beside_a_script(environment: Environment, tmp_path: Path) -> None:
    """A user's own decode.py hides the package: the message names it, and nothing is to be installed."""
    (tmp_path / "decode.py").write_text("raise SystemExit('nothing of it may run')\n")
    (tmp_path / "script.py").write_text("import pagetrap\npagetrap.Device\n")
    said = run(environment.python, "script.py", cwd=tmp_path, status=1)
    assert said.splitlines()[-3:] == [
        f"ImportError: 'decode' is not pagetrap's: {tmp_path / 'decode.py'} is of no distribution",
        "to mend it:",
        f"  rename {tmp_path / 'decode.py'}, or keep its folder off sys.path",
    ]


def test_an_unrelated_distribution_is_no_rival(environment: Environment, tmp_path: Path) -> None:
    """A distribution that has no package of these names is not told of."""
    environment.install(distribution("decoder", tmp_path))
    report = run(environment.python, "-m", "pagetrap", "doctor", "--json", cwd=tmp_path)
    assert json.loads(report)["works"]
    assert not [finding for finding in json.loads(report)["findings"] if finding["status"] == "warning"]


def test_the_mark_is_in_every_package() -> None:
    """What tells pagetrap's packages from others is in the `__init__` of each, and in none of these wheels."""
    from pagetrap.collisions import PACKAGES, collisions, place

    assert collisions() == []
    for package in PACKAGES:
        assert "PagetrapError" in sys.modules.get(package, __import__(package)).__all__
        assert Path(place(package)).name == package
