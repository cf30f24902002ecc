"""docs/modules.md is the list of modules as they describe themselves. `python -m tests.docs.test_modules` writes it."""

import ast
from pathlib import Path

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs" / "modules.md"
PACKAGES = "decode", "emulate", "mmio", "pagetrap"


def page() -> str:
    """Return the page: a table a folder, a row a module with the first line of its docstring."""
    lines = [
        "# Modules",
        "",
        "For contributors: where things are. What may be imported is in [what is public](public-api.md).",
    ]
    lines += ["Made from the first line of each module by `python -m tests.docs.test_modules`."]
    for folder in sorted({path.parent for package in PACKAGES for path in (TOP / package).rglob("*.py")}):
        lines += ["", f"## {folder.relative_to(TOP)}", ""]
        lines += [_first_line(folder / "__init__.py"), "", "| module | holds |", "|---|---|"]
        modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
        lines += [f"| `{path.name}` | {_first_line(path)} |" for path in modules]
    return "\n".join(lines) + "\n"


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def test_every_module_says_what_it_holds() -> None:
    """A module opens with one line about itself."""
    silent = [path for package in PACKAGES for path in (TOP / package).rglob("*.py") if not _first_line(path)]
    assert silent == []


def test_the_list_of_modules_is_up_to_date() -> None:
    """docs/modules.md is what the modules say today."""
    assert PAGE.read_text() == page(), "run python -m tests.docs.test_modules"


if __name__ == "__main__":
    PAGE.write_text(page())
