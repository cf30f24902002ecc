"""A recorded trace as a device."""

from pathlib import Path

import pytest

from decode import READ_WRITE
from mmio import AddressSpace, DeviceError, Replay, Trace, open_trace, save
from tests.mmio.sample_traces import START, access, machine


def recording() -> Trace:
    """Write CTRL, read STATUS twice with different answers, update CTRL atomically."""
    trace = Trace()
    initiator = machine(trace)
    initiator.write(START, 4, 0x11)
    initiator.read(START + 4, 2)
    initiator.write(START + 4, 2, 0xABCD)
    initiator.read(START + 4, 2)
    initiator.update(START, 4, lambda old: old + 1)
    return trace


def test_strict_replay_of_the_same_accesses() -> None:
    """A driver that does what was recorded gets what was recorded, and nothing is left."""
    again = Trace()
    space = AddressSpace(again)
    replay = Replay(recording())
    space.map(0x8000, 0x100, replay, "timer")
    space.write(0x8000, 4, 0x11)
    assert space.read(0x8004, 2) == 0
    space.write(0x8004, 2, 0xABCD)
    assert replay.left == 3
    assert space.read(0x8004, 2) == 0xABCD
    assert space.update(0x8000, 4, lambda old: old + 1) == 0x11
    assert replay.left == 0
    assert again.diff(recording()).same


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        (lambda r: r.read(0, 4), "a read of width 4 at offset 0x0"),
        (lambda r: r.write(4, 4, 0x11), "a write of 0x11, width 4, at offset 0x4"),
        (lambda r: r.write(0, 2, 0x11), "a write of 0x11, width 2, at offset 0x0"),
        (lambda r: r.write(0, 4, 0x12), "a write of 0x12, width 4, at offset 0x0"),
    ],
)
def test_strict_replay_refuses_anything_else(wrong: object, got: str) -> None:
    """Another direction, offset, width or value is an error that says what was expected and what came."""
    replay = Replay(recording())
    with pytest.raises(DeviceError) as caught:
        wrong(replay)  # type: ignore[operator]
    assert str(caught.value) == (
        f"expected access 0 of the recording, a write of 0x11, width 4, at offset 0x0 (timer.CTRL), got {got}"
    )
    assert replay.left == 6


def test_strict_replay_ends() -> None:
    """After the last recorded access every other is an error."""
    replay = Replay([access(value=1)])
    assert replay.read(4, 4) == 1
    with pytest.raises(DeviceError, match=r"^the recording has ended, got a read of width 4 at offset 0x4$"):
        replay.read(4, 4)


def test_sticky_replay_goes_on() -> None:
    """A sticky replay gives each register its answers in order, then the last for ever, and takes any write."""
    replay = Replay(recording(), strict=False)
    replay.write(0x50, 8, 99)
    assert [replay.read(4, 2) for _ in range(4)] == [0, 0xABCD, 0xABCD, 0xABCD]
    assert [replay.read(0, 4) for _ in range(2)] == [0x11, 0x11]


def test_sticky_replay_has_only_what_was_read() -> None:
    """What was never read, or not at this width, has no answer."""
    replay = Replay(recording(), strict=False)
    for offset, width in ((8, 4), (4, 4)):
        with pytest.raises(DeviceError, match=f"^the recording has no read of width {width} at offset {offset:#x}$"):
            replay.read(offset, width)


def test_names_come_along() -> None:
    """A replay knows the register names and the fields of the recording."""
    replay = Replay(recording())
    assert replay.name_at(4, 2) == "STATUS"
    assert replay.describe(4, 2, 0xABCD) == "EN=1"
    assert replay.name_at(8, 4) is None
    assert replay.describe(8, 4, 1) == ""


def test_a_description_is_of_its_value(tmp_path: Path) -> None:
    """What a file says of one value is not said of another."""

    def describe(offset: int, width: int, value: int) -> str:
        return f"EN={value}"

    values = [access(value, value=value, describe=describe) for value in (0, 1)]
    save(values, tmp_path / "run.jsonl")
    replay = Replay(open_trace(tmp_path / "run.jsonl").load())
    assert [replay.describe(4, 4, value) for value in (0, 1, 2)] == ["EN=0", "EN=1", ""]


def test_registers_that_took_turns_share_their_name() -> None:
    """The caller does not say which of them an access to the replay is about, and what its value means."""

    def describe(offset: int, width: int, value: int) -> str:
        return "X=1"

    replay = Replay([access(register="THR", value=1, describe=describe), access(register="DLL", value=2)])
    assert replay.name_at(4, 4) == "DLL/THR"
    assert replay.describe(4, 4, 1) == ""


def test_meanings_of_a_file(tmp_path: Path) -> None:
    """A recording from a file has the words for the values it holds; for others its fields are numbers, if it can."""
    layout = (("READY", 0, 0), ("MODE", 6, 4))
    saying = [
        access(n, value=value, layout=layout, describe=lambda _, __, value: f"READY={value & 1} MODE=FAST")
        for n, value in enumerate((0x20, 0x21))
    ]
    save(saying, tmp_path / "run.jsonl")
    replay = Replay(open_trace(tmp_path / "run.jsonl"))
    assert [replay.describe(4, 4, value) for value in (0x20, 0x21, 0x31)] == [
        "READY=0 MODE=FAST",
        "READY=1 MODE=FAST",
        "READY=0x1 MODE=0x3",
    ]
    assert replay.fields_at(4, 4) == layout
    assert replay.fields_at(8, 4) == ()


def test_compared_with_the_recording() -> None:
    """Under the same name, a driver that does the same makes a trace that does not differ from the recording."""
    trace = Trace()
    timer = machine(trace)
    timer.write(START, 4, 1)
    timer.read(START + 4, 4)
    space = AddressSpace(again := Trace())
    space.map(0x5000, 0x100, Replay(trace), "timer")
    cpu = space.initiator(0)
    cpu.write(0x5000, 4, 1)
    cpu.read(0x5004, 4)
    assert again.diff(trace).same
    assert [a.decoded for a in again] == [a.decoded for a in trace]


@pytest.mark.parametrize(
    ("accesses", "got"),
    [
        ([], "none"),
        ([access(region="a"), access(region="b")], "a, b"),
        ([access(region="a"), access(region=None, offset=None)], "None, a"),
    ],
)
def test_a_replay_of_several_regions_is_refused(accesses: list[object], got: str) -> None:
    """A replay is made of the accesses of exactly one region."""
    with pytest.raises(ValueError, match=f"got {got}; choose one with"):
        Replay(accesses)  # type: ignore[arg-type]


@pytest.mark.parametrize("junk", [5, None, [5], "run.jsonl"])
def test_what_is_no_trace_is_refused(junk: object) -> None:
    """A path, a number, or something else among the accesses."""
    with pytest.raises(TypeError, match=r"^a replay takes accesses, such as open_trace\(path\)\.load\(\), not "):
        Replay(junk)  # type: ignore[arg-type]


def test_atomic_is_a_read_and_a_write() -> None:
    """An atomic answers its read with the old value and expects its write of the new one."""
    replay = Replay([access(direction=READ_WRITE, old=1, value=2)])
    assert replay.read(4, 4) == 1
    replay.write(4, 4, 2)
    assert replay.left == 0
