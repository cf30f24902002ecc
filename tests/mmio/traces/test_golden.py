"""Golden traces."""

import os
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, WRITE
from mmio import (
    AddressSpace,
    Device,
    GoldenError,
    PagetrapError,
    Trace,
    TraceView,
    assert_accesses,
    bit,
    field,
    register,
)
from mmio.records.access import Access
from mmio.traces.golden import Line, assert_trace, compare, folded, folder_of, golden_path
from tests.mmio.sample_traces import START, access


class Nic(Device):
    ctrl = register(0x00, fields=[bit("RESET", 0), bit("UP", 1)])
    status = register(0x04, fields=[bit("READY", 0), field("COUNT", 15, 8)])
    base = register(0x08, width=8)
    fifo = register(0x10, width=1)


def run(polls: int = 3, *, base: int = 0x7F00, up: int = 2, start: int = START, count: int = 0) -> Trace:
    """Return a trace of a driver that resets, polls, gives an address, starts, and reads a FIFO."""
    trace = Trace()
    space = AddressSpace(trace)
    nic = Nic()
    space.map(start, 0x14, nic, "nic")
    space.write(start, 4, 1)
    for n in range(polls):
        nic.status.value = (n == polls - 1) | count << 8
        space.read(start + 4, 4)
    space.write(start + 8, 8, base)
    space.write(start, 4, up)
    for byte in b"hello":
        nic.fifo.value = byte
        space.read(start + 16, 1)
    return trace


def written(tmp_path: Path, trace: Trace | None = None, **options: object) -> Path:
    """Write a golden file, and return its path."""
    assert_trace(run() if trace is None else trace, "run", folder=tmp_path, missing="write", **options)  # type: ignore[arg-type]
    return tmp_path / "run.trace"


def test_the_first_run_writes_a_readable_file(tmp_path: Path) -> None:
    """The file has a header, and a line for each access in the words of an expectation; polls are one line."""
    assert written(tmp_path, volatile=["BASE", "STATUS.COUNT"]).read_text().splitlines() == [
        "# pagetrap golden trace, version 1",
        "# regions: nic",
        "# volatile: BASE, STATUS.COUNT",
        "# left out: addresses of regions, times, threads, instructions; a poll that goes on is one (+)",
        "W4 nic.CTRL=0x1    # RESET",
        "R4 nic.STATUS=0x0/0xffff00ff +",
        "R4 nic.STATUS=0x1/0xffff00ff    # READY",
        "W8 nic.BASE",
        "W4 nic.CTRL=0x2    # UP",
        *(f"R1 nic.FIFO={byte:#x}" + " +" * (byte == ord("l")) for byte in b"helo"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["run.trace"]


def test_what_differs_between_right_runs_is_no_difference(tmp_path: Path) -> None:
    """Another place, another number of polls and another value that is declared volatile are the same."""
    path = written(tmp_path, volatile=["nic.BASE", "nic.STATUS.COUNT"])
    text = path.read_text()
    assert_trace(
        run(9, base=0x8888, start=0x5000, count=7),
        "run",
        folder=tmp_path,
        volatile=["BASE", "STATUS.COUNT"],
    )
    assert path.read_text() == text


def test_a_difference_is_a_diff(tmp_path: Path) -> None:
    """The message has the file, what is missing, what came instead, and some lines around it."""
    path = written(tmp_path)
    with pytest.raises(AssertionError) as caught:
        assert_trace(run(up=3), "run", folder=tmp_path)
    assert str(caught.value).splitlines() == [
        f"the trace (+) is not like {path} (-); --mmio-golden-update writes it anew",
        "  W4 nic.CTRL=0x1",
        "  R4 nic.STATUS=0x0",
        "  R4 nic.STATUS=0x1",
        "  W8 nic.BASE=0x7f00",
        "- W4 nic.CTRL=0x2",
        "+ W4 nic.CTRL=0x3 (RESET UP)",
        "  R1 nic.FIFO=0x68",
        "  R1 nic.FIFO=0x65",
        "  R1 nic.FIFO=0x6c",
        "  R1 nic.FIFO=0x6f",
    ]


def test_update_writes_anew(tmp_path: Path) -> None:
    """With `update` the file is what was done now; one that says so already is not touched."""
    path = written(tmp_path)
    assert compare(run(up=3), path, update=True)
    assert "CTRL=0x3" in path.read_text()
    before = path.stat().st_mtime_ns
    assert not compare(run(up=3), path, update=True)
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(("missing", "ci"), [("fail", ""), (None, "true")])
def test_a_missing_file_is_a_failure_in_ci(
    missing: object, ci: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the environment has CI, or it is asked for, nothing is written."""
    monkeypatch.setenv("CI", ci)
    with pytest.raises(
        AssertionError, match=r"^there is no golden file .*run.trace; write it with --mmio-golden-update"
    ):
        assert_trace(run(), "run", folder=tmp_path, missing=missing)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_registers_of_a_fifo_may_count(tmp_path: Path) -> None:
    """Where `fold` names the registers that are polled, all others count; without folding all do."""
    for fold, lines in ((["STATUS"], 5 + 5), (False, 6 + 5), (True, 5 + 4)):
        path = written(tmp_path, fold=fold)
        assert sum(not line.startswith("#") for line in path.read_text().splitlines()) == lines
        path.unlink()


def test_a_golden_file_is_a_list_of_expectations(tmp_path: Path) -> None:
    """What is not a comment can be given to `assert_accesses`."""
    lines = [line.partition("    #")[0] for line in written(tmp_path).read_text().splitlines() if line[0] != "#"]
    assert_accesses(run(7), lines)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=6))
def test_how_often_is_no_difference(turns: list[tuple[int, int]]) -> None:
    """Law: turns of polls, however often each was made, fold to what they fold to when each was made once."""

    def texts(counts: list[int]) -> list[str]:
        lines = []
        for number, ((kind, _), count) in enumerate(zip(turns, counts, strict=True)):
            words = ([f"R{number}"], [f"W{number}", f"R{number}"], [f"W{number}", f"R{number}", f"R'{number}"])[kind]
            lines += [
                Line(word, access(direction=READ if word[0] == "R" else WRITE)) for _ in range(count) for word in words
            ]
        return [line.text for part in folded(lines, None) for line in part.lines]

    assert texts([count for _, count in turns]) == texts([1] * len(turns))


def test_nested_polls_are_shown_in_braces(tmp_path: Path) -> None:
    """A poll of an index and its data, in which the data is polled, is a group with a poll in it."""
    made: list[Access] = []
    for _ in range(3):
        made.append(access(direction=WRITE, register="INDEX", value=1))
        made += [access(register="DATA", value=0)] * 2
    path = tmp_path / "run.trace"
    compare(TraceView.of(made), path, missing="write")
    assert path.read_text().splitlines()[3:] == ["{", "  W4 timer.INDEX=0x1", "  R4 timer.DATA=0x0 +", "} +"]
    compare(TraceView.of(made[:3]), path)
    compare(TraceView.of([*made[:2], *made]), path)


@pytest.mark.parametrize(
    "name", ["", "a/b", "../x", "..", ".hidden", "a\\b", "a\nb", "x.", "nul\0", "a" * 151, "a b/../c", "/etc/passwd"]
)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    """A name is of one file in the folder."""
    with pytest.raises(GoldenError, match="a golden file's name is of letters"):
        golden_path(name, tmp_path)


def test_a_folder_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """A link cannot make a test write outside of its folder."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tests" / "golden").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GoldenError, match="leads out of"):
        folder_of(tmp_path / "tests" / "test_x.py")


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    """A file that is a link to another one is replaced, and the other stays as it is."""
    other = tmp_path / "other"
    other.write_text("precious")
    path = tmp_path / "golden" / "run.trace"
    path.parent.mkdir()
    path.symlink_to(other)
    compare(run(), path, update=True)
    assert other.read_text() == "precious"
    assert not path.is_symlink()


def test_another_devices_file_is_one_clear_error(tmp_path: Path) -> None:
    """A file whose regions are none of the trace's is of another device."""
    path = written(tmp_path)
    with pytest.raises(GoldenError) as caught:
        compare(TraceView.of([access()]), path)
    assert str(caught.value) == (
        f"{path} is of another device: its accesses are to nic, those of this trace to timer; "
        "write it anew with --mmio-golden-update if the device was renamed"
    )
    assert isinstance(caught.value, PagetrapError)


def test_a_file_of_a_device_that_is_called_the_same(tmp_path: Path) -> None:
    """It is of another device where this one has none of the registers; with one of them it is a difference."""

    class Card(Device):
        ctrl = register(0x00)
        stat = register(0x04)

    class Other(Device):
        setup = register(0x00)

    class Later(Device):
        ctrl = register(0x00)
        state = register(0x04)

    def made(device: Device) -> Trace:
        trace = Trace()
        space = AddressSpace(trace)
        space.map(0x1000, 8, device, "card")
        space.write(0x1000, 4, 1)
        if not isinstance(device, Other):
            space.read(0x1004, 4)
        return trace

    assert_trace(made(Card()), "card", folder=tmp_path)
    with pytest.raises(GoldenError) as caught:
        assert_trace(made(Other()), "card", folder=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'card.trace'} is of another device: card has no card.CTRL, card.STAT; "
        "write it anew with --mmio-golden-update if the registers were renamed"
    )
    with pytest.raises(AssertionError, match=r"R4 card\.STATE"):
        assert_trace(made(Later()), "card", folder=tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a golden file: it begins with ''"),
        (b"hello\n", "is not a golden file: it begins with 'hello'"),
        (b"\xff\xfe", "is not a golden file: it is not text"),
        (b"# pagetrap golden trace, version 2\n", "is of version 2, expected 1; write it anew"),
    ],
)
def test_a_file_of_another_kind_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    """The error has the path and what is wrong."""
    (tmp_path / "run.trace").write_bytes(content)
    with pytest.raises(GoldenError, match=problem):
        assert_trace(run(), "run", folder=tmp_path)


def test_what_was_volatile_is_told(tmp_path: Path) -> None:
    """A failure says so if the file was written with other volatile names."""
    written(tmp_path)
    with pytest.raises(AssertionError, match="when it was written nothing was volatile, now BASE"):
        assert_trace(run(), "run", folder=tmp_path, volatile=["BASE"])


def test_names_are_checked(tmp_path: Path) -> None:
    """A volatile name that no device has is an error, as is one text for a list."""
    with pytest.raises(GoldenError, match="no register or field is called 'BSE'; did you mean 'BASE'"):
        assert_trace(run(), "run", folder=tmp_path, volatile=["BSE"])
    with pytest.raises(TypeError, match=r"volatile is a list of names, not one: \['BASE'\]"):
        assert_trace(run(), "run", folder=tmp_path, volatile="BASE")
    with pytest.raises(TypeError, match="fold has names of registers and fields"):
        assert_trace(run(), "run", folder=tmp_path, fold=["a\nb"])
    with pytest.raises(ValueError, match="missing is one of write, fail, not 'x'"):
        assert_trace(run(), "run", folder=tmp_path, missing="x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="trace is a trace or a list of accesses"):
        assert_trace(object(), "run", folder=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the name of a golden file is a str"):
        golden_path(4, tmp_path)  # type: ignore[arg-type]


def test_the_file_is_beside_the_one_that_calls(tmp_path: Path) -> None:
    """Without a folder it is `golden/MODULE` beside the module; there is none beside a console."""
    script = (
        "import mmio\nfrom tests.mmio.traces.test_golden import run\nmmio.assert_trace(run(), 'x', missing='write')\n"
    )
    (tmp_path / "test_card.py").write_text(script)
    runpy.run_path(str(tmp_path / "test_card.py"))
    assert (tmp_path / "golden" / "test_card" / "x.trace").is_file()
    assert os.listdir(tmp_path / "golden" / "test_card") == ["x.trace"]


def test_a_region_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    """The file of such a device is its own, and is not taken for another's."""
    trace = Trace()
    space = AddressSpace(trace)
    space.map(START, 4, Nic(), "a, b")
    space.write(START, 4, 1)
    for _ in range(2):
        assert_trace(trace, "comma", folder=tmp_path, missing="write")


@given(cut=st.integers(0, 400), junk=st.binary(max_size=4))
def test_whatever_has_become_of_a_file(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    """A file that was cut, with anything behind the cut, is refused or is a diff, and the message can be shown."""
    path = written(tmp_path_factory.mktemp("golden"))
    path.write_bytes(path.read_bytes()[:cut] + junk)
    message = ""
    try:
        assert_trace(run(), path.stem, folder=path.parent)
    except (GoldenError, AssertionError) as error:
        message = str(error)
    assert message.replace("\n", "").isprintable()
