"""Public names that load their module at first use.

Importing all of `mmio` takes several times as long as importing what one program needs of it. So its `__init__` imports
its public names under `TYPE_CHECKING` only, where type checkers, editors and readers find them; the same lines, read
here, say which module a name comes from.
"""

import ast
import pkgutil
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def on_demand(package: ModuleType) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` (PEP 562) for a package that imports its names under `TYPE_CHECKING`."""
    source = pkgutil.get_data(package.__name__, "__init__.py") or b""
    homes = {
        alias.asname or alias.name: statement.module
        for block in ast.parse(source).body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }

    def get(name: str) -> Any:
        home = homes.get(name)
        if home is not None:
            value = getattr(import_module(home), name)
            setattr(package, name, value)  # the next use finds it without asking
            return value
        whole = f"{package.__name__}.{name}"
        if not name.startswith("_") and find_spec(whole) is not None:
            return import_module(whole)
        raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}", name=name, obj=package)

    return get, lambda: sorted({*vars(package), *homes})


def called(place: str) -> Callable[..., Any]:
    """Return a function whose module is loaded when it is first called.

    For what a lower folder offers as a method and a higher one does: a trace can be saved, and formats know how.

    Args:
        place: its module and its name, such as "mmio.formats.registry:save".
    """
    module, _, name = place.partition(":")

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **options)

    return call
