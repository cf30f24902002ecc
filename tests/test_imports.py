"""The architecture, enforced: who may import whom, and what no module may do.

The rules are read off the syntax trees, not off what happens to be loaded, so that a forbidden import inside
a function or behind a condition is seen as well.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# package -> the packages of this project it may import
LAYERS = {
    "decode": set[str](),
    "emulate": {"decode"},
    "mmio": {"decode", "emulate"},
    "pagetrap": {"decode", "emulate", "mmio"},
}

# The folders of mmio and the modules directly in it, lowest first: each imports from itself and from those before it.
ROOMS = (
    *(
        "demand",
        "arguments",
        "closing",
        "signatures",
        "coverage_table",
        "linux",
        "records",
        "errors",
        "pictures",
        "traces",
        "formats",
        "watchpoints",
        "space",
    ),
    *(
        "device",
        "coverage",
        "reports",
        "interrupts",
        "models",
        "pci",
        "virtio",
        "cortex_m",
        "descriptions",
        "documents",
        "patching",
        "live",
        "faults",
    ),
    *("program", "inprocess", "boards", "board"),
    *("ptrace", "hosted", "guests", "watching", "golden_files", "testing", "strategies"),
    *("commands", "__main__"),
)

RUNTIME = {"attr", "attrs", "iced_x86"}
EXTRAS = {"bincopy", "elftools", "hypothesis", "lxml", "matplotlib", "pandas", "polars", "pyarrow", "rich", "systemrdl"}
UNSAFE_MODULES = {"dill", "marshal", "pickle", "shelve"}
CODE_BUILTINS = {"__import__", "compile", "eval", "exec"}

MAX_LINES = 400
ON_DEMAND = "__getattr__, __dir__ = on_demand(sys.modules[__name__])"

MODULES = sorted(path.relative_to(ROOT) for package in LAYERS for path in (ROOT / package).rglob("*.py"))
FACE = Path("pagetrap", "__init__.py")
INITS = [module for module in MODULES if module.name == "__init__.py" and module != FACE]

each_module = pytest.mark.parametrize("module", MODULES, ids=str)


def _tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(), filename=str(module))


def _packages(node: ast.AST) -> list[str]:
    """The top-level packages an import statement names; none for a relative import, which stays at home."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [str(node.module).partition(".")[0]]
    return []


def _imports(module: Path) -> set[str]:
    """Every package the module names in an import statement, wherever the statement stands."""
    return {package for node in ast.walk(_tree(module)) for package in _packages(node)}


def _imports_on_load(node: ast.AST) -> Iterator[str]:
    """The packages imported when the module is: not those in functions or for the type checker only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield from _packages(child)
        yield from _imports_on_load(child)


@pytest.mark.parametrize("package", LAYERS)
def test_package_is_looked_at(package: str) -> None:
    """Each package has an `__init__` and modules of its own, so the rules below are about something."""
    modules = {module for module in MODULES if module.parts[0] == package}
    assert Path(package, "__init__.py") in modules
    assert len(modules) > 1


@each_module
def test_imports_run_one_way(module: Path) -> None:
    """Imports run pagetrap -> mmio -> emulate -> decode and never back, nor into tests, examples or benchmarks."""
    package = module.parts[0]
    ours = set(LAYERS) | {"benchmarks", "examples", "tests"}
    assert _imports(module) & ours - {package} <= LAYERS[package]


def _name(module: Path) -> str:
    parts = module.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_modules(module: Path) -> set[str]:
    """The modules of this project that a module imports, wherever the statement stands, for the type checker too."""
    found: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in LAYERS:
            found |= {name if (name := f"{node.module}.{alias.name}") in NAMES else node.module for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.partition(".")[0] in LAYERS}
    return found - {_name(module)}


NAMES = {_name(module): module for module in MODULES}


def _room(name: str) -> int:
    """Where a module of mmio stands in the order."""
    return ROOMS.index(name.split(".")[1])


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("mmio.")])
def test_folders_import_downwards(name: str) -> None:
    """The folders of mmio have a total order, and no import runs against it."""
    imported = {other for other in _imported_modules(NAMES[name]) if other.startswith("mmio.")}
    assert {other for other in imported if _room(other) > _room(name)} == set()


def test_no_circle_of_modules() -> None:
    """No module imports itself by way of others."""
    graph = {
        name: {imported for imported in _imported_modules(module) if NAMES[imported].name != "__init__.py"}
        for name, module in NAMES.items()
        if module.name != "__init__.py"
    }
    while leaves := {name for name, imported in graph.items() if not imported & graph.keys()}:
        graph = {name: imported for name, imported in graph.items() if name not in leaves}
    assert sorted(graph) == []


@each_module
def test_only_decode_knows_iced(module: Path) -> None:
    """iced-x86 is an implementation detail of decode."""
    assert module.parts[0] == "decode" or "iced_x86" not in _imports(module)


@each_module
def test_third_party_imports_are_declared(module: Path) -> None:
    """Beyond the standard library come the declared dependencies, and extras only where they are used."""
    foreign = _imports(module) - set(sys.stdlib_module_names) - set(LAYERS)
    assert foreign <= RUNTIME | EXTRAS
    loaded = set(_imports_on_load(_tree(module)))
    if module.parts[:2] == ("mmio", "strategies"):
        loaded.discard(
            "hypothesis"
        )  # base of a class, so its modules need it; the package loads them when they are used
    assert not EXTRAS & loaded, "import an extra inside the function that needs it"


@pytest.mark.parametrize("module", INITS, ids=str)
def test_init_only_hands_on_names(module: Path) -> None:
    """An `__init__` holds a docstring, imports and an `__all__` that lists exactly the imported names.

    Those imported for type checkers only are passed on by `mmio.demand`, which it then uses.
    """
    imported: list[str] = []
    exported: list[str] = []
    body = _tree(module).body
    block = next((statement for statement in body if isinstance(statement, ast.If)), None)
    if block is not None:
        own = ("import sys", "from typing import TYPE_CHECKING", "from mmio.demand import on_demand")
        body = [statement for statement in body if statement is not block and ast.unparse(statement) not in own]
        assert [ast.unparse(statement) for statement in (block.test, *block.orelse)] == ["TYPE_CHECKING", ON_DEMAND]
        body += block.body
    for statement in body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.ImportFrom(names=names):
                imported += [alias.asname or alias.name for alias in names]
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                exported += ast.literal_eval(value)
            case _:
                pytest.fail(f"{module}:{statement.lineno}: {ast.unparse(statement)}")
    assert sorted(imported) == sorted(exported)


def test_the_face_has_no_names_of_its_own() -> None:
    """`pagetrap` imports for type checkers what the packages export, and nothing else but what finds it."""
    docstring, typing, block = _tree(FACE).body
    assert isinstance(docstring, ast.Expr)
    assert ast.unparse(typing) == "from typing import TYPE_CHECKING"
    assert isinstance(block, ast.If)
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    stars = {str(star.module) for star in block.body if isinstance(star, ast.ImportFrom) and star.names[0].name == "*"}
    assert stars == set(LAYERS) - {"pagetrap"}
    assert {str(found.module) for found in block.orelse if isinstance(found, ast.ImportFrom)} == {"pagetrap.names"}
    assert len(block.orelse) == 2


def test_modules_are_short() -> None:
    """No module is longer than can be read in one sitting."""
    lengths = {str(module): len((ROOT / module).read_text().splitlines()) for module in MODULES}
    assert {module: length for module, length in lengths.items() if length > MAX_LINES} == {}


@each_module
def test_code_is_made_in_one_place(module: Path) -> None:
    """Only the compiler turns text into code, and nothing unpickles."""
    called = {
        node.func.id
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not _imports(module) & UNSAFE_MODULES
    assert module == Path("emulate/compiler.py") or not called & CODE_BUILTINS
