"""pytest plugin: fixtures `mmio_trap`, `board`, `mmio_guest`, `golden`; the last accesses in failure reports; options.

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
    from mmio.coverage.session import SessionCoverage
    from mmio.golden_files import Golden, GoldenRun
    from mmio.guests import Guest
    from mmio.testing import Traps
    from mmio.traces.gathered import Gathered

_TRAPS: "pytest.StashKey[Traps]" = pytest.StashKey()
_GOLDEN: "pytest.StashKey[GoldenRun]" = pytest.StashKey()
_CHOSEN: "pytest.StashKey[bool]" = pytest.StashKey()  # whether some tests of a module were left out
_GATHERED: "pytest.StashKey[Gathered]" = pytest.StashKey()
_COVERAGE: "pytest.StashKey[SessionCoverage]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mmio-trace`, those of golden files, and those of coverage."""
    group = parser.getgroup("pagetrap")
    group.addoption(
        "--mmio-golden-update",
        action="store_true",
        help="write the golden files of the tests that run anew",
    )
    group.addoption(
        "--mmio-golden-missing",
        choices=("write", "fail"),
        help="what becomes of a golden file that is missing (default: fail where the environment variable CI is set, "
        "else write)",
    )
    group.addoption(
        "--mmio-trace",
        metavar="PATH",
        help="write the device accesses of every test to one trace file; its suffix says in which format. "
        "Each worker of pytest-xdist writes a file of its own: run.jsonl becomes run.gw0.jsonl.",
    )
    group.addoption(
        "--mmio-cov",
        metavar="CLASS",
        action="append",
        default=[],
        help="measure which registers, fields, values and transitions of a device class the tests touch: Timer, "
        "package.module:Timer or timer.py:Timer; may be given several times.",
    )
    group.addoption(
        "--mmio-cov-report",
        metavar="REPORT",
        action="append",
        default=[],
        help="term (the default), html:PATH, json:PATH, cobertura:PATH or lcov:PATH; may be given several times.",
    )
    group.addoption(
        "--mmio-cov-omit",
        metavar="REGISTER",
        action="append",
        default=[],
        help="leave registers out of the percentages: BUFFER, 'dma.*'; may be given several times.",
    )
    group.addoption(
        "--mmio-cov-merge-arrays",
        action="store_true",
        help="count each array of registers, and equal blocks, as one: what one of 64 queues has seen, all have.",
    )
    group.addoption(
        "--mmio-cov-fail-under", metavar="PERCENT", type=float, help="fail when less of a device is covered."
    )
    parser.addini("mmio_svd", "the CMSIS-SVD file of the fixture `board`, relative to the folder of this ini-file")


def pytest_configure(config: pytest.Config) -> None:
    """Register a marker; start to measure coverage; open the trace file.

    What is wrong with an option, such as a path that cannot be written, is known at once.
    """
    config.addinivalue_line("markers", "svd(path, **options): the CMSIS-SVD file of `board`, and options of mmio.board")
    worker = getattr(config, "workerinput", {}).get("workerid")
    runs_tests = worker is not None or config.getoption("dist", "no") == "no"
    _start_coverage(config, runs_tests)
    given = config.getoption("mmio_trace")
    if given is None or not runs_tests:
        return  # the process that hands out tests to workers runs none
    _check_packages()
    from mmio import writer
    from mmio.traces.gathered import Gathered

    path = Path(given)
    try:
        file = writer(path if worker is None else path.with_suffix(f".{worker}{path.suffix}"))
    except (OSError, ValueError, ImportError) as error:
        raise pytest.UsageError(f"--mmio-trace: {error}") from None
    config.add_cleanup(file.close)
    config.stash[_GATHERED] = Gathered(file)


def _check_packages() -> None:
    """Check that what is imported next is pagetrap's: another distribution may have packages of the same names.

    Raises:
        pytest.UsageError: it is not; the message has what was found, and what mends it.
    """
    from pagetrap.collisions import check

    try:
        check()
    except ImportError as error:
        raise pytest.UsageError(str(error)) from None


def _start_coverage(config: pytest.Config, runs_tests: bool) -> None:
    names, reports = config.getoption("mmio_cov"), config.getoption("mmio_cov_report")
    least, omit = config.getoption("mmio_cov_fail_under"), config.getoption("mmio_cov_omit")
    if not names:
        if reports or omit or least is not None:
            raise pytest.UsageError(
                "--mmio-cov-report, --mmio-cov-omit and --mmio-cov-fail-under need --mmio-cov=CLASS"
            )
        return
    _check_packages()
    from mmio.coverage.session import SessionCoverage

    try:
        coverage = SessionCoverage(names, reports, least, omit, config.getoption("mmio_cov_merge_arrays"))
    except ValueError as error:
        raise pytest.UsageError(f"--mmio-cov: {error}") from None
    config.stash[_COVERAGE] = coverage
    if runs_tests:
        coverage.start()
        config.add_cleanup(coverage.stop)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take what a worker of pytest-xdist has covered, and what it says of golden files."""
    output = getattr(node, "workeroutput", {})
    coverage = node.config.stash.get(_COVERAGE, None)
    if coverage is not None:
        coverage.take(output.get("mmio_cov"), str(node.gateway.id))
    told = output.get("mmio_golden")
    if told is not None:
        _golden_run(node.config).take(told)
        node.config.stash[_CHOSEN] = node.config.stash.get(_CHOSEN, False) or output["mmio_chosen"]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the reports of coverage; in a worker of pytest-xdist, send what is known to the process that does."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None and _GOLDEN in session.config.stash:
        output["mmio_golden"] = session.config.stash[_GOLDEN].told()
        output["mmio_chosen"] = session.config.stash.get(_CHOSEN, False)
    coverage = session.config.stash.get(_COVERAGE, None)
    if coverage is None:
        return
    if output is not None:
        output["mmio_cov"] = coverage.to_dict()
    elif not coverage.finish() and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Say which golden files were written, and which no test has used; show coverage."""
    _summarise_golden(terminalreporter, exitstatus, config)
    coverage = config.stash.get(_COVERAGE, None)
    if coverage is not None:
        terminalreporter.section("device coverage")
        for line in coverage.lines:
            terminalreporter.write_line(line)
        for problem in coverage.problems:
            terminalreporter.write_line(f"--mmio-cov: {problem}", red=True)


def _summarise_golden(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    run = config.stash.get(_GOLDEN, None)
    if run is None:
        return
    stopped = exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or config.getoption("maxfail")
    chosen = config.stash.get(_CHOSEN, False) or any("::" in argument for argument in config.args)
    lines = list(run.report(config.rootpath, not stopped and not chosen))
    if lines:
        terminalreporter.section("golden traces")
    for line in lines:
        terminalreporter.line(line)


@pytest.fixture
def mmio_trap(request: pytest.FixtureRequest) -> "Generator[Traps]":
    """Trap device accesses in a test.

    `mapping = mmio_trap(Device(), length=0x1000)` takes the arguments of `mmio.ioremap`,
    `mmio_trap.ports(0x3f8, 8, Device())` takes those of `mmio.map_ports`.

    Mappings are closed when the test is over. When it fails, its report shows the last accesses of each.
    """
    _check_packages()
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
def golden(request: pytest.FixtureRequest) -> "Golden":
    """Compare traces with golden ones: `golden(mapping.trace, volatile=["TX_BASE"])`, see `mmio.assert_trace`.

    The file is `golden/MODULE/TEST.trace` beside the test. The first run writes it; `--mmio-golden-update` writes it
    anew.
    """
    _check_packages()
    from mmio.golden_files import Golden

    return Golden(_golden_run(request.config), request.path, request.node.name)


def _golden_run(config: pytest.Config) -> "GoldenRun":
    """Return what the run knows of its golden files."""
    from mmio.golden_files import GoldenRun

    if _GOLDEN not in config.stash:
        update, missing = config.getoption("mmio_golden_update"), config.getoption("mmio_golden_missing")
        config.stash[_GOLDEN] = GoldenRun(update, missing)
    return config.stash[_GOLDEN]


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Note that not all tests run: then it is not known which golden files no test uses."""
    for item in items[:1]:
        item.config.stash[_CHOSEN] = True


@pytest.fixture
def mmio_guest(mmio_trap: "Traps") -> "Callable[..., Guest]":
    """Run a kernel in a test, with device models as its PCI cards.

    `guest = mmio_guest([mmio.Pci(Card(), 0x8086, 0x100E)], modules=["e1000"])` takes the arguments of `mmio.guest`.

    The kernel has booted and loaded its modules once, in a snapshot; each test has a copy that is as good as new. With
    `snapshot=False` it boots. The guest is ended when the test is over. When that fails, its report shows the last
    accesses.
    """
    return mmio_trap.guest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show in a failure what the driver did last."""
    report = yield
    if "golden" in getattr(item, "fixturenames", ()) and (call.when == "call" or not report.passed):
        _golden_run(item.config).ran(item.path, report.passed)
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
