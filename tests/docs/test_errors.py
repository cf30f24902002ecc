"""docs/errors.md is the tree of errors as their classes describe them. `python -m tests.docs.test_errors` writes it."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import decode
import emulate
import mmio
from decode import PagetrapError

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
PACKAGES = decode, emulate, mmio

# Raised in one module and caught in another of the same package, always: how a run ends, not what went wrong.
INTERNAL = frozenset(
    (
        "Carrier",
        "ChannelClosed",
        "Ending",
        "Executed",
        "Exited",
        "Interrupted",
        "InvalidTime",
        "Killed",
        "NotAnAccess",
        "NotMovable",
        "NotPatched",
        "Refused",
        "RemoteError",
        "ThreadExited",
        "ThreadGone",
        "TooLarge",
    )
)


def exceptions() -> list[type[BaseException]]:
    """Return every exception class that the packages define under a public name."""
    found: dict[type[BaseException], None] = {}
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == module.name:
                    found.setdefault(value) if not name.startswith("_") else None
    return list(found)


def lines(kind: type[BaseException], depth: int = 0) -> Iterator[str]:
    """Yield a line for a class and each below it: its name, what else it is, where it comes from, what it means."""
    others = [base.__name__ for base in kind.__bases__ if not issubclass(base, PagetrapError) and base is not Exception]
    also = f" ({', '.join(others)})" if others else ""
    home = next((p.__name__ for p in PACKAGES if kind.__name__ in p.__all__), kind.__module__)
    meaning = (inspect.getdoc(kind) or "").partition("\n")[0]
    yield f"{'  ' * depth}- `{home}.{kind.__name__}`{also}: {meaning}"
    below = [one for one in exceptions() if kind in one.__bases__]
    for one in sorted(below, key=lambda one: one.__name__):
        yield from lines(one, depth + 1)


HEAD = """# Errors

Every error that pagetrap raises of its own is a `PagetrapError`. In parentheses is what a class is besides. A wrong
argument of a function is Python's `TypeError` or `ValueError`, and what a device model raises comes out of the call
that entered the driver as it is. Made by `python -m tests.docs.test_errors`.

"""


def page() -> str:
    """Return the page."""
    return HEAD + "\n".join(lines(PagetrapError)) + "\n"


def test_every_error_is_a_pagetrap_error() -> None:
    """No error class stands outside the tree but warnings and what never leaves its package."""
    outside = [
        kind.__name__ for kind in exceptions() if not issubclass(kind, PagetrapError) and not issubclass(kind, Warning)
    ]
    assert sorted(outside) == sorted(INTERNAL)


def test_the_base_is_public_everywhere() -> None:
    """Each package hands on the one base class."""
    assert decode.PagetrapError is emulate.PagetrapError is mmio.PagetrapError is PagetrapError


def test_the_page_of_errors_is_up_to_date() -> None:
    """docs/errors.md is what the classes say today."""
    assert PAGE.read_text() == page(), "run python -m tests.docs.test_errors"


if __name__ == "__main__":
    PAGE.write_text(page())
