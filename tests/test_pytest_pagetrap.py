"""The pytest plugin, in a pytest of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmio import open_trace
from mmio.records.events import Mark

pytest_plugins = ["pytester"]

SUITE = """
    from ctypes import c_uint32
    from mmio.traces.expect import assert_accesses

    class Card:
        length = 0x100

        def read(self, offset, width):
            return offset

        def write(self, offset, width, value):
            pass

        def name_at(self, offset, width):
            return {0: "CTRL", 4: "STATUS"}.get(offset)

    def load(mapping, offset):
        return c_uint32.from_address(mapping.address + offset).value

    def test_good(mmio_trap):
        mapping = mmio_trap(Card(), name="card")
        assert load(mapping, 4) == 4
        assert_accesses(mapping.trace, ["R4 STATUS"])

    def test_bad(mmio_trap):
        mapping = mmio_trap(Card(), length=0x80, name="card")
        load(mapping, 4)
        load(mapping, 0)
        assert_accesses(mapping.trace, ["R4 STATUS"])

    def test_unequal(mmio_trap):
        mine, other = mmio_trap(Card(), name="card"), mmio_trap(Card(), name="card")
        load(mine, 0)
        load(other, 4)
        assert mine.trace == other.trace

    def test_later(mmio_trap):
        mapping = mmio_trap(Card(), name="card")
        load(mapping, 0)
        load(mapping, 0)
        assert mapping.trace[:1] == mapping.trace[1:]
"""


@pytest.fixture(scope="module")
def _suite() -> None:
    """Make sure that the plugin is installed, as `pip install` does it."""
    from importlib.metadata import entry_points

    assert [point.value for point in entry_points(group="pytest11", name="pagetrap")] == ["pytest_pagetrap"]


def test_import_is_cheap() -> None:
    """Importing the plugin imports none of the packages."""
    script = "import sys, pytest_pagetrap; print({'mmio', 'emulate', 'decode', 'iced_x86'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.usefixtures("_suite")
def test_fixture_traps_and_shows(pytester: pytest.Pytester) -> None:
    """A failed test shows the diff and the last accesses of its traps; one that passes shows nothing."""
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess("--tb=short")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*test_bad*",
            "E * expected 1 access (-), the driver made 2 (+)",
            "E * R4 STATUS=0x4",
            "E * + R4 CTRL=0x0    at 0x*: mov *",
            "*- mmio accesses -*",
            "card: 2 accesses",
            "* R * card.STATUS *",
            "* R * card.CTRL *",
            "*test_unequal*",
            "E * 0 accesses equal, 1 only in mine (-), 1 only in other (+)",
            "E * - * card.CTRL *",
            "E * + * card.STATUS *",
            "*test_later*",
            "E * The same was done; access 0 differs in sequence, time*",
        ]
    )
    assert result.stdout.str().count("- mmio accesses -") == 3


@pytest.mark.usefixtures("_suite")
def test_failures_point_at_the_driver_and_the_model(pytester: pytest.Pytester) -> None:
    """The way between them, through our own modules and generated code, is left out of the report."""
    pytester.makepyfile(
        """
        from ctypes import CDLL

        from mmio import Device, register

        class Card(Device):
            ctrl = register(0, width=1)

            @ctrl.reads
            def _ctrl(self):
                return 1 // 0

        def test_it(mmio_trap):
            CDLL(None).memcmp(mmio_trap(Card()), b"C", 1)
        """
    )
    result = pytester.runpytest_inprocess("--tb=short")
    result.stdout.fnmatch_lines(["*in test_it", "*in _ctrl", "*return 1 // 0", "E * ZeroDivisionError: *"])
    result.stdout.no_fnmatch_line("*mmio/*: in *")
    result.stdout.no_fnmatch_line("*pagetrap instruction*")


@pytest.mark.usefixtures("_suite")
def test_mmio_trace_writes_all_tests_to_one_file(pytester: pytest.Pytester, tmp_path: Path) -> None:
    """`--mmio-trace` writes every test's accesses to one file, each test's after a mark with its node id."""
    pytester.makepyfile(test_it=SUITE)
    path = tmp_path / "run.jsonl"
    pytester.runpytest_inprocess(f"--mmio-trace={path}").assert_outcomes(passed=1, failed=3)
    view = open_trace(path).load()
    marks = [(event.sequence, event.text) for event in view.events if isinstance(event, Mark)]
    tests = ("good", "bad", "unequal", "later")
    assert marks == [(at, f"test_it.py::test_{name}") for at, name in zip((0, 1, 3, 5), tests, strict=True)]
    assert [access.sequence for access in view] == list(range(7))


@pytest.mark.usefixtures("_suite")
def test_workers_have_files_of_their_own(pytester: pytest.Pytester, tmp_path: Path) -> None:
    """Under pytest-xdist each worker writes its own file, named after it."""
    pytester.makepyfile(test_it=SUITE)
    pytester.runpytest_inprocess("-n1", f"--mmio-trace={tmp_path / 'run.jsonl'}")
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["run.gw0.jsonl"]
    assert len(open_trace(tmp_path / "run.gw0.jsonl").load()) == 7


@pytest.mark.usefixtures("_suite")
def test_bad_trace_path(pytester: pytest.Pytester) -> None:
    """A file that cannot be written ends pytest at once, as wrong usage."""
    result = pytester.runpytest_inprocess("--mmio-trace=run.doc")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--mmio-trace: run.doc: no trace format has this suffix*"])


BOARD = """
    from ctypes import c_uint32
    import pytest

    def load(address):
        return c_uint32.from_address(address).value

    @pytest.mark.svd("chip.svd", core=None)
    def test_marked(board):
        assert load(0x40000000) == 7
        assert board.P.R.value == 8

    def test_of_the_ini_file(board):
        assert load(0x40000000) == 7
"""

CHIP = """<device schemaVersion="1.1"><name>N</name><peripherals><peripheral><name>P</name>
<baseAddress>0x40000000</baseAddress><addressBlock><offset>0</offset><size>0x10</size></addressBlock><registers>
<register><name>R</name><addressOffset>0</addressOffset><size>32</size><resetValue>7</resetValue></register>
</registers></peripheral></peripherals></device>"""


def test_a_board_of_a_marker_or_of_the_ini_file(pytester: pytest.Pytester) -> None:
    """What the firmware did last is shown when a test fails; a test without a file says where to write it."""
    pytester.makepyfile(BOARD)
    (pytester.path / "chip.svd").write_text(CHIP)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*no SVD file is given: write @pytest.mark.svd*", "*chip.svd: 1 accesses*", "*P.R*0x00000007*"]
    )
    pytester.makeini("[pytest]\nmmio_svd = chip.svd\n")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(failed=1, passed=1)


GOLDEN = """
    import pytest
    from ctypes import c_uint32

    class Card:
        length = 0x100
        def read(self, offset, width):
            return VALUE
        def write(self, offset, width, value):
            pass

    VALUE = 4

    @pytest.mark.parametrize("count", [1, 2])
    def test_loads(mmio_trap, golden, count):
        mapping = mmio_trap(Card(), name="card")
        for offset in range(count):
            c_uint32.from_address(mapping.address + 4 * offset).value
        golden(mapping.trace)
        golden(mapping.trace[:1])
        golden(mapping.trace, "all accesses", volatile=["card"])
"""


def golden_files(pytester: pytest.Pytester) -> dict[str, str]:
    """Return the golden files there are, by name, without their headers."""
    folder = pytester.path / "golden" / "test_golden"
    return {
        path.name: "\n".join(line for line in path.read_text().splitlines() if line[0] != "#")
        for path in folder.iterdir()
    }


@pytest.mark.usefixtures("_suite")
def test_golden_files_are_written_and_compared(pytester: pytest.Pytester) -> None:
    """The first run writes files named by test, says so, and later runs compare with them."""
    pytester.makepyfile(test_golden=GOLDEN.replace('"all accesses"', 'f"all {count}"'))
    first = pytester.runpytest_inprocess()
    first.assert_outcomes(passed=2)
    first.stdout.fnmatch_lines(["*golden traces*", "golden file written: golden/test_golden/all 1.trace"])
    assert golden_files(pytester)["test_loads-2.trace"] == "R4 card+0x0=0x4\nR4 card+0x4=0x4"
    assert sorted(golden_files(pytester)) == [
        "all 1.trace",
        "all 2.trace",
        "test_loads-1.trace",
        "test_loads-1@2.trace",
        "test_loads-2.trace",
        "test_loads-2@2.trace",
    ]
    second = pytester.runpytest_inprocess()
    second.assert_outcomes(passed=2)
    assert "golden" not in second.stdout.str().replace("test_golden", "")
    pytester.makepyfile(
        test_golden=GOLDEN.replace('"all accesses"', 'f"all {count}"').replace("VALUE = 4", "VALUE = 5")
    )
    third = pytester.runpytest_inprocess()
    third.assert_outcomes(failed=2)
    third.stdout.fnmatch_lines(["E *is not like */golden/test_golden/test_loads-1.trace (-)*", "E *- R4 card+0x0=0x4"])
    pytester.runpytest_inprocess("--mmio-golden-update").assert_outcomes(passed=2)
    assert golden_files(pytester)["test_loads-2.trace"] == "R4 card+0x0=0x5\nR4 card+0x4=0x5"


@pytest.mark.usefixtures("_suite")
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_unused_golden_files_are_told(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """A file that no test asks for is told, but not if tests were left out or failed."""
    pytester.makepyfile(test_golden=GOLDEN.replace('golden(mapping.trace, "all', '1 or golden(mapping.trace, "all'))
    options = ("-p", "no:cacheprovider", *workers)
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=2)
    (pytester.path / "golden" / "test_golden" / "old.trace").touch()
    unused = "golden file unused: golden/test_golden/old.trace; no test of its module asks for it, so remove it"
    pytester.runpytest_subprocess(*options).stdout.fnmatch_lines([unused])
    for more in (("-k", "2"), ("test_golden.py::test_loads[2]",), ("--maxfail=1",)):
        pytester.runpytest_subprocess(*options, *more).stdout.no_fnmatch_line("golden file unused*")


@pytest.mark.usefixtures("_suite")
@pytest.mark.parametrize(("option", "ci", "failed"), [((), "true", 2), (("--mmio-golden-missing=write",), "true", 0)])
def test_a_missing_golden_file_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...], ci: str, failed: int
) -> None:
    """Where the environment has CI a missing file is a failure, unless an option says otherwise."""
    monkeypatch.setenv("CI", ci)
    pytester.makepyfile(test_golden=GOLDEN.replace('"all accesses"', 'f"all {count}"'))
    result = pytester.runpytest_inprocess(*option)
    result.assert_outcomes(failed=failed, passed=2 - failed)
    assert (pytester.path / "golden").exists() == (not failed)


@pytest.mark.usefixtures("_suite")
def test_a_golden_name_is_used_once_in_a_test(pytester: pytest.Pytester) -> None:
    """Two traces of one test cannot have one file."""
    pytester.makepyfile(
        test_golden=GOLDEN.replace("golden(mapping.trace[:1])", 'golden(mapping.trace, "all accesses")')
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*this test has compared a trace with 'all accesses' before*"])
