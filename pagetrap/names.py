"""Find a public name in the package that has it, when it is first used."""

import sys
from importlib import import_module
from typing import Any, Final

from pagetrap.collisions import PACKAGES, check

SUBPACKAGES: Final = {
    "conformance": "emulate",
    "cortex_m": "mmio",
    "faults": "mmio",
    "models": "mmio",
    "pci": "mmio",
    "strategies": "mmio",
    "virtio": "mmio",
}
"""The public packages below the three, and where each is."""

_SEARCHED: Final = ("mmio", "decode", "emulate")
"""By the time that loading takes: `mmio` loads a module with the name it is asked for, `emulate` needs `decode`."""


def find(name: str) -> Any:
    """Return a public name, for `pagetrap.__getattr__` (PEP 562).

    Raises:
        ImportError: a package was found in place of one of pagetrap's; see `collisions`.
        AttributeError: no package has this name.
    """
    whole = sys.modules["pagetrap"]
    if name == "__all__":
        value: Any = public_names()
    elif name.startswith("__"):
        raise AttributeError(f"module 'pagetrap' has no attribute {name!r}", name=name, obj=whole)
    else:
        check()
        value = _found(name)
    setattr(whole, name, value)  # the next use finds it without asking
    return value


def _found(name: str) -> Any:
    if name in SUBPACKAGES:
        return import_module(f"{SUBPACKAGES[name]}.{name}")
    for package in map(import_module, _SEARCHED):
        if name in package.__all__:
            return getattr(package, name)
    raise AttributeError(f"module 'pagetrap' has no attribute {name!r}", name=name, obj=sys.modules["pagetrap"])


def public_names() -> list[str]:
    """Return the public names of the three packages, in order."""
    check()
    return sorted({name for package in PACKAGES for name in import_module(package).__all__})


def directory() -> list[str]:
    """Return what `dir(pagetrap)` lists."""
    return sorted({*vars(sys.modules["pagetrap"]), *public_names(), *SUBPACKAGES})
