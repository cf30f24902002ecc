"""mmio.demand: public names that load their module when they are first used."""

import subprocess
import sys

import pytest

import mmio


def python(statement: str) -> str:
    """Return what a statement prints in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", mmio.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """It comes from its module, and is listed."""
    assert getattr(mmio, name) is not None
    assert name in dir(mmio)


def test_importing_the_package_loads_nothing_else() -> None:
    """Neither the emulator nor ctypes is loaded by `import mmio` alone; a name brings what it needs."""
    loaded = "import sys, mmio; print([name for name in ('emulate', 'ctypes', 'mmio.ptrace') if name in sys.modules])"
    assert python(loaded) == "[]"
    assert python("import sys, mmio; mmio.Tracer; print('mmio.ptrace' in sys.modules)") == "True"


def test_everything_can_be_imported_at_once() -> None:
    """`from mmio import *` has every public name."""
    assert python("from mmio import *; print(ioremap.__name__, Tracer.__name__)") == "ioremap Tracer"


def test_packages_are_attributes() -> None:
    """A module that is not imported yet is found under its name."""
    assert python("import mmio; print(mmio.formats.registry.__name__)") == "mmio.formats.registry"


def test_other_names_are_no_attributes() -> None:
    """The error is the usual one."""
    with pytest.raises(AttributeError, match="module 'mmio' has no attribute 'ioremapp'"):
        mmio.ioremapp  # type: ignore[attr-defined]  # noqa: B018
