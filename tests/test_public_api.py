"""The public names and their signatures, pinned in public_api.txt. `python -m tests.test_public_api` writes it.

Code outside this repository is written against them. A change of the list is a change of the API: add freely; a name
that goes away still works, and warns.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import decode
import emulate
import emulate.conformance
import mmio

PAGE = Path(__file__).with_name("public_api.txt")


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
    for package in (decode, emulate, emulate.conformance, mmio):
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


if __name__ == "__main__":
    PAGE.write_text(page())
