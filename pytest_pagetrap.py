"""pytest plugin: fixtures (`mmio_trap`, `board`, `mmio_guest`), the last accesses in failure reports, `--mmio-trace`.

pytest imports its plugins at every start, in every project of an environment that has pagetrap. So this module stands
outside the packages and imports them only when a test asks for a trap: it costs nobody else a thing, and
coverage sees their import.
"""

import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mmio.boards import Board
    from mmio.guests import Guest
    from mmio.testing import Traps
    from mmio.traces.gathered import Gathered

_TRAPS: "pytest.StashKey[Traps]" = pytest.StashKey()
_GATHERED: "pytest.StashKey[Gathered]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mmio-trace`."""
    parser.getgroup("pagetrap").addoption(
        "--mmio-trace",
        metavar="PATH",
        help="write the device accesses of every test to one trace file; its suffix says in which format. "
        "Each worker of pytest-xdist writes a file of its own: run.jsonl becomes run.gw0.jsonl.",
    )
    parser.addini("mmio_svd", "the CMSIS-SVD file of the fixture `board`, relative to the folder of this ini-file")


def pytest_configure(config: pytest.Config) -> None:
    """Register a marker; open the trace file, so that a path that cannot be written is known at once."""
    config.addinivalue_line("markers", "svd(path, **options): the CMSIS-SVD file of `board`, and options of mmio.board")
    given = config.getoption("mmio_trace")
    worker = getattr(config, "workerinput", {}).get("workerid")
    if given is None or (worker is None and config.getoption("dist", "no") != "no"):
        return  # the process that hands out tests to workers runs none
    from mmio import writer
    from mmio.traces.gathered import Gathered

    path = Path(given)
    try:
        file = writer(path if worker is None else path.with_suffix(f".{worker}{path.suffix}"))
    except (OSError, ValueError, ImportError) as error:
        raise pytest.UsageError(f"--mmio-trace: {error}") from None
    config.add_cleanup(file.close)
    config.stash[_GATHERED] = Gathered(file)


@pytest.fixture
def mmio_trap(request: pytest.FixtureRequest) -> "Generator[Traps]":
    """Trap device accesses in a test.

    `mapping = mmio_trap(Device(), length=0x1000)` takes the arguments of `mmio.ioremap`,
    `mmio_trap.ports(0x3f8, 8, Device())` takes those of `mmio.map_ports`.

    Mappings are closed when the test is over. When it fails, its report shows the last accesses of each.
    """
    from mmio.testing import Traps

    gathered = request.config.stash.get(_GATHERED, None)
    if gathered is not None:
        gathered.mark(request.node.nodeid)
    traps = Traps((lambda trace: None) if gathered is None else gathered.attach)
    request.node.stash[_TRAPS] = traps
    yield traps
    traps.close()


@pytest.fixture
def board(request: pytest.FixtureRequest, mmio_trap: "Traps") -> "Board":
    """Map a microcontroller in a test, with every peripheral of its SVD file at its address: see `mmio.board`.

    The file is that of the marker `@pytest.mark.svd("chip.svd")`, relative to the test's folder, or of the ini-option
    `mmio_svd`. When the test fails, its report shows the last accesses.
    """
    marker = request.node.get_closest_marker("svd")
    if marker is not None and len(marker.args) == 1:
        return mmio_trap.board(request.path.parent / marker.args[0], **marker.kwargs)
    path = request.config.getini("mmio_svd")
    if marker is not None or not path:
        given = "the marker svd takes one path" if marker is not None else "no SVD file is given"
        message = f'{given}: write @pytest.mark.svd("chip.svd") at the test, or mmio_svd = chip.svd in the ini-file'
        raise pytest.UsageError(message)
    return mmio_trap.board((request.config.inipath or request.config.rootpath / "x").parent / path)


@pytest.fixture
def mmio_guest(mmio_trap: "Traps") -> "Callable[..., Guest]":
    """Boot a kernel in a test, with device models as its PCI cards.

    `guest = mmio_guest([mmio.Pci(Card(), 0x8086, 0x100E)], modules=["e1000"])` takes the arguments of `mmio.guest`.

    The guest is ended when the test is over. When that fails, its report shows the last accesses.
    """
    return mmio_trap.guest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show in a failure what the driver did last."""
    report = yield
    traps = item.stash.get(_TRAPS, None)
    if report.failed and traps is not None and traps.used:
        report.sections.append(("mmio accesses", traps.report()))
    return report


def pytest_assertrepr_compare(op: str, left: Any, right: Any) -> list[str] | None:
    """Explain why two traces are not equal."""
    view = sys.modules.get("mmio.traces.view")
    if view is None or op != "==" or not (isinstance(left, view.TraceView) and isinstance(right, view.TraceView)):
        return None
    diff = left.diff(right)
    if diff.same:
        mine, other = next(pair for pair in zip(left, right, strict=True) if pair[0] != pair[1])
        compared = [attribute.name for attribute in mine.__attrs_attrs__ if attribute.eq]
        what = ", ".join(name for name in compared if getattr(mine, name) != getattr(other, name))
        return [f"{left!r} == {right!r}", f"The same was done; access {mine.sequence} differs in {what}"]
    return [f"{left!r} == {right!r}", *str(diff).splitlines()]
