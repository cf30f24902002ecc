"""Detect a package `decode`, `emulate` or `mmio` that is not pagetrap's.

The Python Package Index has unrelated distributions with these import names. Installing one into the same environment
overwrites files of pagetrap without a message, and uninstalling it deletes them. A module of the same name beside a
user's script hides the package in the same way. This module finds the three packages without running any of their
code, so it works whatever stands in their place; it imports nothing but the standard library, and that only as far as
it needs.
"""

import sys
from importlib.machinery import SourcelessFileLoader
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

PACKAGES: Final = ("decode", "emulate", "mmio")

_MARK: Final = b"PagetrapError"
"""Each of the three exports it, so its `__init__` has the word."""


class Collision(NamedTuple):
    """A package that is not pagetrap's, or that is missing.

    Attributes:
        package: its import name.
        path: the file that an import runs, the folder when that has no `__init__`, "" when there is nothing.
        owners: the names of the other distributions whose file lists have it.
        is_damaged: pagetrap's own file is gone or overwritten, and has to be installed again.
    """

    package: str
    path: str
    owners: tuple[str, ...]
    is_damaged: bool

    def __str__(self) -> str:
        if not self.path:
            return f"{self.package!r}, a package of pagetrap, is not installed"
        if not self.path.endswith((".py", ".so", ".pyc")):
            return f"{self.package!r}, a package of pagetrap, has no __init__.py in {self.path}"
        owner = f"of the distribution {' and '.join(self.owners)}" if self.owners else "of no distribution"
        return f"{self.package!r} is not pagetrap's: {self.path} is {owner}"


def check() -> None:
    """Check that `decode`, `emulate` and `mmio` are pagetrap's.

    Raises:
        ImportError: one is not; the message has the path, the distribution, and the commands that mend it.
    """
    found = collisions()
    if found:
        raise ImportError(message(found))


def collisions() -> list[Collision]:
    """Return the packages that are not pagetrap's."""
    return [collision for package in PACKAGES if (collision := _collision(package)) is not None]


def message(found: list[Collision]) -> str:
    """Return what is wrong, a line each, and the commands that mend it."""
    lines = [str(collision) for collision in found]
    if any(collision.owners for collision in found):
        lines.append("pagetrap and a distribution with packages of these names cannot be in one environment")
    return "\n".join([*lines, "to mend it:", *(f"  {step}" for step in remedy(found))])


def remedy(found: list[Collision]) -> list[str]:
    """Return what mends it: commands for a shell, and files to be renamed."""
    from shlex import quote

    pip = f"{quote(sys.executable)} -m pip"
    owners = sorted({owner.partition(" ")[0] for collision in found for owner in collision.owners})
    steps = [f"{pip} uninstall --yes {' '.join(owners)}"] if owners else []
    if any(collision.is_damaged for collision in found):
        steps.append(f"{pip} install --force-reinstall --no-deps {installed_from()}")
    unowned = [item.path for item in found if item.path and not item.owners and not item.is_damaged]
    return [*steps, *(f"rename {path}, or keep its folder off sys.path" for path in unowned)]


def installed_from() -> str:
    """Return what pip takes to install the same pagetrap again (PEP 610 records where it came from)."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        own = distribution("pagetrap")
    except PackageNotFoundError:
        return "pagetrap"
    import json
    from shlex import quote

    text = own.read_text("direct_url.json")
    if text is None:
        return f"pagetrap=={own.version}"
    origin = json.loads(text)
    editable = "--editable " if origin.get("dir_info", {}).get("editable") else ""
    return f"{editable}{quote(origin['url'])}"


def rivals() -> "Iterator[tuple[Distribution, str]]":
    """Yield the other distributions that list a file of these packages, each with the first such package.

    They may have been there first: pagetrap works then, until they are uninstalled.
    """
    from importlib.metadata import distributions

    for other in distributions():
        if (other.metadata["Name"] or "").lower() == "pagetrap":
            continue
        heads = {file.parts[0] for file in other.files or () if len(file.parts) > 1}
        for package in PACKAGES:
            if package in heads:
                yield other, package
                break


def _collision(package: str) -> Collision | None:
    """Return what is wrong with a package, None when it is pagetrap's."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # a module without a spec stands in sys.modules
        spec = None
    if spec is None:
        return Collision(package, "", (), True)
    if spec.origin is None:  # a folder without __init__.py: a namespace package
        place = next(iter(spec.submodule_search_locations or ()), "")
        return Collision(package, place, (), True)
    if isinstance(spec.loader, SourcelessFileLoader) or _is_marked(spec.loader, spec.origin):
        return None
    return Collision(package, spec.origin, tuple(_owners(package, spec.origin)), not _has_own(package))


def _is_marked(loader: object, path: str) -> bool:
    read = getattr(loader, "get_data", None)
    try:
        return read is not None and _MARK in read(path)
    except OSError:
        return False


def _has_own(package: str) -> bool:
    """Return whether pagetrap's package is there, beside this one, and is only hidden by what comes before it."""
    import os.path

    own = os.path.join(os.path.dirname(os.path.dirname(__file__)), package, "__init__.py")
    return _is_marked(__spec__.loader, own)


def _owners(package: str, path: str) -> "Iterator[str]":
    """Yield the names and versions of the other distributions that have installed a file."""
    import os.path
    from importlib.metadata import distributions

    for other in distributions():
        name = other.metadata["Name"] or ""
        for file in other.files or ():
            is_near = file.parts[0].partition(".")[0] == package and name.lower() != "pagetrap"
            if is_near and os.path.realpath(str(other.locate_file(file))) == os.path.realpath(path):
                yield f"{name} {other.version}"
