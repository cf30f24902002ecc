"""`pagetrap.NAME`: every public name of the packages, the same object."""

import subprocess
import sys
from importlib import import_module

import pytest

import decode
import emulate
import mmio
import pagetrap
from pagetrap.names import SUBPACKAGES
from tests.native import ROOT
from tests.test_public_api import PACKAGES

TOP = (decode, emulate, mmio)
PUBLIC = [(package, name) for package in TOP for name in package.__all__]


@pytest.mark.parametrize(("package", "name"), PUBLIC, ids=[f"{package.__name__}.{name}" for package, name in PUBLIC])
def test_every_public_name_is_the_same_object(package: object, name: str) -> None:
    """`pagetrap.NAME` is what the package has; two packages that have the name have the same object."""
    assert getattr(pagetrap, name) is getattr(package, name)


def test_all_lists_the_public_names() -> None:
    """`__all__` is the union of those of the packages, so a star import has them all."""
    assert pagetrap.__all__ == sorted({name for _, name in PUBLIC})
    starred: dict[str, object] = {}
    for name in pagetrap.__all__:
        starred[name] = getattr(pagetrap, name)
    assert starred["decode"] is decode.decode


def test_dir_lists_what_is_reachable() -> None:
    """`dir` has the public names and the subpackages, and each can be had."""
    assert {*pagetrap.__all__, *SUBPACKAGES} <= set(dir(pagetrap))
    assert [name for name in dir(pagetrap) if not hasattr(pagetrap, name)] == []


def test_the_public_subpackages_are_attributes() -> None:
    """Every public package below the three is there, and no other."""
    below = {package.__name__ for package in PACKAGES if "." in package.__name__}
    assert {f"{top}.{name}" for name, top in SUBPACKAGES.items()} == below
    assert {name: getattr(pagetrap, name) for name in SUBPACKAGES} == {
        name: import_module(f"{top}.{name}") for name, top in SUBPACKAGES.items()
    }


def test_no_module_has_the_name_of_something_public() -> None:
    """A module of the package would become the attribute when it is imported."""
    own = {path.stem for path in (ROOT / "pagetrap").iterdir()}
    assert own & {*pagetrap.__all__, *SUBPACKAGES} == set()


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    """As of any module, so `hasattr` and `getattr` with a default work."""
    with pytest.raises(AttributeError, match="module 'pagetrap' has no attribute 'ioremapp'"):
        _ = pagetrap.ioremapp  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match="cannot import name 'ioremapp' from 'pagetrap'"):
        from pagetrap import ioremapp  # type: ignore[attr-defined]  # noqa: F401


def test_importing_it_loads_no_package() -> None:
    """`import pagetrap` costs little: the packages, attrs and iced-x86 come with the first name."""
    code = "import sys, pagetrap; print(sorted({n.partition('.')[0] for n in sys.modules} & set(sys.argv[1:])))"
    names = ["decode", "emulate", "mmio", "attr", "iced_x86", "json", "importlib.metadata"]
    run = [sys.executable, "-c", code, *names]
    assert subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_star_import_has_the_names() -> None:
    """`from pagetrap import *` in a process of its own, where nothing has been looked up before."""
    code = "from pagetrap import *; print(ioremap.__module__, decode.__module__, Emulator.__module__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "mmio.inprocess.mapping decode.decoder emulate.emulator\n"
