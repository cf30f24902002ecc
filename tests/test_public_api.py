"""The public names and their signatures, pinned in public_api.txt. `python -m tests.test_public_api` writes it.

Code outside this repository is written against them. A change of the list is a change of the API: add freely; a name
that goes away still works, and warns.
"""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import decode
import emulate
import emulate.conformance
import mmio
import mmio.cortex_m
import mmio.faults
import mmio.models
import mmio.pci
import mmio.strategies
import mmio.virtio

PAGE = Path(__file__).with_name("public_api.txt")
TOP = Path(__file__).parents[1]
PACKAGES = (
    *(decode, emulate, emulate.conformance),
    *(mmio, mmio.models, mmio.cortex_m, mmio.faults, mmio.strategies, mmio.pci, mmio.virtio),
)

_IMPORT = re.compile(r"^from ((?:decode|emulate|mmio)\b[\w.]*) import (.+)$", re.MULTILINE)
_VARIADIC = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


def members(kind: type) -> Iterator[str]:
    """Yield a class's own public methods and properties with their signatures."""
    for name, value in sorted(vars(kind).items()):
        if name.startswith("_"):
            continue
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        if inspect.isfunction(function):
            yield f"    {name}{signature(function)}"
        elif isinstance(value, property):
            yield f"    {name}: property"


def signature(function: Any) -> str:
    """Return a callable's parameters, without annotations; "(…)" where Python cannot say."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return "(…)"
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    shown = [p.replace(default="…") if not isinstance(p.default, bool | int | str | None | type) else p for p in bare]
    return str(found.replace(parameters=shown, return_annotation=inspect.Signature.empty)).replace("'…'", "…")


def page() -> str:
    """Return the listing."""
    lines: list[str] = []
    for package in PACKAGES:
        for name in sorted(package.__all__):
            value = getattr(package, name)
            if inspect.isclass(value):
                lines += [f"{package.__name__}.{name}{signature(value)}", *members(value)]
            elif callable(value):
                lines.append(f"{package.__name__}.{name}{signature(value)}")
            else:
                lines.append(f"{package.__name__}.{name}")
    return "\n".join(lines) + "\n"


def test_the_public_api_is_what_it_was() -> None:
    """No name or parameter has changed without public_api.txt saying so."""
    assert page() == PAGE.read_text(), "run python -m tests.test_public_api, and look at the difference"


def test_no_import_changes_the_public_api() -> None:
    """Importing every module, leaves each public name what it was: a module may have the name of a function."""
    code = """if True:
        import importlib, pkgutil, sys
        import decode, emulate, mmio
        from tests.test_public_api import PACKAGES
        def public():
            return {(package, name): getattr(package, name) for package in PACKAGES for name in package.__all__}
        before = public()
        for package in decode, emulate, mmio:
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                if not module.name.endswith("__main__"):
                    importlib.import_module(module.name)
        after = public()
        print([name for _, name in before if before[_, name] is not after[_, name]])
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def described(value: Any) -> str:
    """Return a docstring with those of its base classes and of the public names that it refers to in backquotes."""
    kinds = [kind for kind in value.__mro__ if kind is not object] if inspect.isclass(value) else [value]
    text = "\n".join(inspect.getdoc(kind) or "" for kind in kinds)
    for name in re.findall(r"`(?:mmio\.)?([A-Za-z_.]+)`", text):
        found: Any = mmio
        for part in name.split("."):
            found = getattr(found, part, None)
        if callable(found) and found is not value:
            text += "\n" + (inspect.getdoc(found) or "")
    return text


def undescribed(value: Any) -> list[str]:
    """Return the parameters of a function, or of a class's constructor, that its docstring does not name."""
    if not callable(value) or (inspect.isclass(value) and issubclass(value, Enum)):
        return []
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):  # an alias of a type
        return []
    text = described(value)
    return [p.name for p in parameters if p.kind not in _VARIADIC and not re.search(rf"\b{p.name}\b", text)]


def test_every_public_docstring_names_every_parameter() -> None:
    """The docstring of a function says what its parameters are, that of a class what its constructor's are."""
    values = {f"{package.__name__}.{name}": getattr(package, name) for package in PACKAGES for name in package.__all__}
    assert {name: missing for name, value in values.items() if (missing := undescribed(value))} == {}


def test_the_page_names_the_public_packages() -> None:
    """docs/public-api.md lists the packages whose names are pinned here."""
    named = re.findall(r"^\| `([\w.]+)` \|", (TOP / "docs" / "public-api.md").read_text(), re.MULTILINE)
    assert named == [package.__name__ for package in PACKAGES]


# What a page shows of a module that is to become one of the package itself: a new format.
OF_THE_PACKAGE = [("formats.md", "mmio.formats.linewriter", "LineWriter")]


def test_the_pages_use_public_names_only() -> None:
    """What a page for users imports comes from a public package itself, and is in its `__all__`."""
    public = {package.__name__: set(package.__all__) for package in PACKAGES}
    pages = [TOP / "README.md", *(TOP / "docs").glob("*.md"), *(TOP / "examples").glob("*/README.md")]
    imported = [
        (page.name, package, name.strip())
        for page in pages
        for package, names in re.findall(
            r"^from ((?:decode|emulate|mmio)\b[\w.]*) import (.+)$", page.read_text(), re.M
        )
        for name in names.split("#")[0].split(",")
    ]
    assert len(imported) > 20
    assert [use for use in imported if use[2] not in public.get(use[1], ()) and use not in OF_THE_PACKAGE] == []


def test_an_undescribed_parameter_is_found() -> None:
    """A parameter counts as described where the docstring, a base class or a name that is referred to has its name."""

    def function(first: int, width: int, other: int) -> None:
        """Take the first, and the rest as `AddressSpace.read` has it."""

    assert undescribed(function) == ["other"]


if __name__ == "__main__":
    PAGE.write_text(page())
