"""docs/architecture.svg is drawn from the imports there are. `python -m tests.docs.test_architecture` draws it.

A box is a package; what stands directly in `mmio` (its public names, its errors) has none. An arrow is an import when
the program runs, so not one for the type checker. Those that follow from others are left out: the picture would be all
arrows. Packages that import each other stand side by side.
"""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tests.documents import TOP

PICTURE = TOP / "docs" / "architecture.svg"
COLUMNS = {
    "decode": 1.75,
    "emulate": 1,
    "emulate.families": 0,
    "emulate.conformance": 0,
    "mmio.linux": 3,
    "mmio.records": 2,
    "mmio.pictures": 3.5,
    "mmio.traces": 3.5,
    "mmio.watchpoints": 2.5,
    "mmio.space": 2,
    "mmio.device": 0.5,
    "mmio.formats": 4.5,
    "mmio.descriptions": 0.5,
    "mmio.live": 2,
    "mmio.program": 3,
    "mmio.inprocess": 1.5,
    "mmio.ptrace": 2.75,
    "mmio.hosted": 3.75,
    "mmio.commands": 3.25,
}
"""Where each package stands, from the left; how high follows from its imports. One that is not here is rightmost."""

MUTUAL = {
    ("emulate", "emulate.families"),  # the compiler has the families fill its table of recipes
}

_WIDTH, _HEIGHT, _GAP, _RISE = 160, 36, 22, 92
_FILLS = {"decode": "#dbeafe", "emulate": "#dcfce7", "mmio": "#fef3c7"}

Graph = dict[str, set[str]]


def _box(module: str) -> str | None:
    """Return the box a module is in: its package, without further packages inside; None for `mmio` itself."""
    parts = module.split(".")
    if not (TOP / Path(*parts)).is_dir():
        parts = parts[:-1]
    box = ".".join(parts[:2])
    return None if box == "mmio" else box


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules imported when the program runs, in functions too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and child.module:
            yield from (_module(child.module, alias.name) for alias in child.names)
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        yield from _imported(child)


def _module(package: str, name: str) -> str:
    """Return what `from package import name` is about: a module of that name, or the package."""
    place = TOP / Path(*package.split("."), name)
    return f"{package}.{name}" if place.is_dir() or place.with_suffix(".py").exists() else package


def imports() -> Graph:
    """Return for each package those it imports."""
    graph: Graph = {}
    for path in (path for top in _FILLS for path in sorted((TOP / top).rglob("*.py"))):
        box = _box(".".join(path.relative_to(TOP).with_suffix("").parts))
        if box is None:
            continue
        found = {_box(name) for name in _imported(ast.parse(path.read_text())) if name.split(".")[0] in _FILLS}
        graph.setdefault(box, set()).update({name for name in found if name is not None} - {box})
    return graph


def _reach(graph: Graph, start: str) -> set[str]:
    """Return everything a package imports, directly or not; itself when it is in a circle."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        new = graph[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


def _layers(graph: Graph) -> dict[str, int]:
    """Return how high each package stands: above all it imports, and as high as those it is in a circle with."""
    reach = {box: _reach(graph, box) for box in graph}
    layers = dict.fromkeys(graph, 0)
    for _ in graph:
        for box in graph:
            circle = {other for other in reach[box] if box in reach[other]} | {box}
            below = {layers[name] for member in circle for name in graph[member] - circle}
            layers[box] = 1 + max(below, default=-1)
    return layers


def arrows(graph: Graph) -> list[tuple[str, str]]:
    """Return the imports that do not follow from others, a mutual one once."""
    reach = {box: _reach(graph, box) for box in graph}

    def follows(box: str, target: str) -> bool:
        between = {name for name in reach[box] if target in reach[name]}
        return any(box not in reach[name] and name not in reach[target] for name in between)

    pairs = [(box, target) for box in sorted(graph) for target in sorted(graph[box])]
    return [
        (box, target)
        for box, target in pairs
        if not follows(box, target) and not (target < box and box in graph[target])
    ]


def picture() -> str:
    """Return the picture as SVG."""
    graph = imports()
    layers = _layers(graph)
    top, last = max(layers.values()), max(COLUMNS.values()) + 1
    corners = {
        box: (20 + COLUMNS.get(box, last) * (_WIDTH + _GAP), 20 + (top - layers[box]) * _RISE) for box in sorted(graph)
    }
    width = max(x for x, _ in corners.values()) + _WIDTH + 20
    height = top * _RISE + _HEIGHT + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}"'
        ' font-family="sans-serif" font-size="14">',
        "<title>The packages of pagetrap, and which imports which</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"'
        ' orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="#475569"/></marker></defs>',
        f'<rect width="{width:g}" height="{height}" fill="white"/>',
    ]
    for box, target in arrows(graph):
        x1, y1, x2, y2 = map(float, (*corners[box], *corners[target]))
        if y1 == y2:  # side by side
            x1, x2 = (x1 + _WIDTH, x2) if x1 < x2 else (x1, x2 + _WIDTH)
            y1 = y2 = y1 + _HEIGHT / 2
        else:
            x1, y1, x2 = x1 + _WIDTH / 2, y1 + _HEIGHT, x2 + _WIDTH / 2
        both = ' marker-start="url(#tip)"' if box in graph[target] else ""
        lines.append(
            f'<path d="M{x1:g} {y1:g} {x2:g} {y2:g}" stroke="#475569" stroke-width="1.5" marker-end="url(#tip)"{both}/>'
        )
    for box, (x, y) in corners.items():
        fill = _FILLS[box.split(".")[0]]
        lines += [
            f'<rect x="{x:g}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="{fill}" stroke="#475569"/>',
            f'<text x="{x + _WIDTH / 2:g}" y="{y + 23}" text-anchor="middle" fill="#0f172a">{box}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def test_the_picture_is_up_to_date() -> None:
    """docs/architecture.svg shows the imports there are today."""
    assert PICTURE.read_text() == picture(), "run python -m tests.docs.test_architecture"


def test_packages_import_downwards() -> None:
    """No two packages import each other, but for those whose reason is given above."""
    graph = imports()
    assert {(box, target) for box in graph for target in graph[box] if box < target and box in graph[target]} == MUTUAL


def test_there_is_no_longer_circle() -> None:
    """Packages that reach each other import each other: no circle goes through a third one."""
    graph = imports()
    circles = {(a, b) for a in graph for b in _reach(graph, a) if a < b and a in _reach(graph, b)}
    assert circles == MUTUAL


def test_every_arrow_is_an_import_and_nothing_is_lost() -> None:
    """What the arrows lead to, directly or not, is what the packages import."""
    graph = imports()
    drawn: Graph = {box: set() for box in graph}
    for box, target in arrows(graph):
        assert target in graph[box]
        drawn[box].add(target)
        if box in graph[target]:
            drawn[target].add(box)
    assert {box: _reach(drawn, box) for box in graph} == {box: _reach(graph, box) for box in graph}


def test_no_two_boxes_are_in_one_place() -> None:
    """Boxes of one layer stand apart."""
    layers = _layers(imports())
    places = sorted((layers[box], COLUMNS[box]) for box in layers if box in COLUMNS)
    assert all(a[0] != b[0] or b[1] - a[1] >= 1 for a, b in pairwise(places))


if __name__ == "__main__":
    PICTURE.write_text(picture())
