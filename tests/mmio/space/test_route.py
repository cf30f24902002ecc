"""The path of an access: borders, policies, holes, atomics, answers that are no values."""

from collections.abc import Callable
from enum import IntEnum
from itertools import pairwise
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio import AddressSpace, DeviceError, PolicyError, UnmappedAccess
from mmio.records.flags import ATOMIC, SPLIT, TOO_WIDE, UNALIGNED, UNMAPPED
from mmio.space.region import DeviceLike
from tests.mmio.doubles import Answering, Log, Spy


class Sparse(Spy):
    """A spy with registers at 0..4 and 6..8 only."""

    def holes(self, offset: int, width: int) -> int:
        return sum(0xFF << 8 * i for i in range(width) if offset + i not in (0, 1, 2, 3, 6, 7))


def _space(device: DeviceLike, **policy: object) -> tuple[AddressSpace, Log]:
    """A device at 0x1000..0x1100 with a policy."""
    log = Log()
    space = AddressSpace(log)
    space.map(0x1000, 0x100, device, "device", **policy)  # type: ignore[arg-type]
    return space, log


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_a_device_sees_exactly_the_access(width: int) -> None:
    """Offset and width arrive as they are, aligned or not."""
    spy = Spy()
    space, log = _space(spy)
    value = space.read(0x1003, width)
    space.write(0x1003, width, value)
    assert spy.seen == [("read", 3, width), ("write", 3, width)]
    assert log.brief == [(READ, 0x1003, width, value, 0), (WRITE, 0x1003, width, value, 0)]


def test_a_straddling_access_is_split_at_the_border() -> None:
    """Each side sees its bytes at its own offset, in address order, and each part is a record marked split."""
    left, right = Spy(), Spy()
    space, log = _space(left)
    space.map(0x1100, 0x10, right, "right")
    assert space.read(0x10FE, 4) == 0x1110_0F0E
    space.write(0x10FE, 4, 0xAABBCCDD)
    assert left.seen == [("read", 0xFE, 2), ("write", 0xFE, 2)]
    assert right.seen == [("read", 0, 2), ("write", 0, 2)]
    assert log.brief == [
        (READ, 0x10FE, 2, 0x0F0E, SPLIT),
        (READ, 0x1100, 2, 0x1110, SPLIT),
        (WRITE, 0x10FE, 2, 0xCCDD, SPLIT),
        (WRITE, 0x1100, 2, 0xAABB, SPLIT),
    ]


def test_nothing_happens_when_a_later_part_cannot() -> None:
    """A write into the void behind a device does not write the first half: all parts are checked before the first."""
    spy = Spy()
    space, log = _space(spy)
    with pytest.raises(UnmappedAccess, match="nothing is mapped at 0x1100; write of 4 bytes at address 0x10fe"):
        space.write(0x10FE, 4, 0)
    with pytest.raises(UnmappedAccess, match="nothing is mapped at 0x1100; update of 4 bytes at address 0x10fe"):
        space.update(0x10FE, 4, lambda old: old)
    space.map(0x1100, 0x10, spy, "picky", widths={4})
    with pytest.raises(PolicyError) as caught:
        space.read(0x10FE, 4)
    assert str(caught.value) == (
        "'picky' refuses it: its 2 bytes at 0x1100 are narrower than every width the mapping allows (4); "
        "read of 4 bytes at address 0x10fe, 'device' offset 0xfe"
    )
    assert spy.seen == []
    assert log == []


def test_a_policy_splits_and_marks() -> None:
    """What the device is spared is done in pieces, and the records say why."""
    spy = Spy()
    space, log = _space(spy, widths={1, 2, 4}, unaligned="split")
    assert space.read(0x1000, 8) == 0x17161514_13121110
    assert space.read(0x1003, 2) == 0x1413
    assert spy.seen == [("read", 0, 4), ("read", 4, 4), ("read", 3, 1), ("read", 4, 1)]
    assert [record.flags for record in log] == [SPLIT | TOO_WIDE] * 2 + [SPLIT | UNALIGNED] * 2


def test_a_policy_refuses() -> None:
    """The error has the rule, the access and the region; the device is not called."""
    spy = Spy()
    space, log = _space(spy, unaligned="error", too_wide="error")
    with pytest.raises(PolicyError) as caught:
        space.write(0x1002, 4, 0)
    assert str(caught.value) == (
        "'device' refuses it: not aligned to 4 bytes, which the mapping requires; "
        "write of 4 bytes at address 0x1002, 'device' offset 0x2"
    )
    with pytest.raises(PolicyError, match=r"width not among those the mapping takes \(1, 2, 4, 8\)"):
        space.read(0x1000, 16)
    assert spy.seen == []
    assert log == []


def test_policies_do_not_outlive_a_cached_hit() -> None:
    """A plain access before does not let the next one slip past the policy."""
    space, _ = _space(Spy(), unaligned="error")
    space.read(0x1000, 1)
    space.read(0x1004, 4)
    with pytest.raises(PolicyError):
        space.read(0x1002, 4)


def test_unmapped_raises_by_default() -> None:
    """Reads, writes and updates of nothing are errors, and so are ports that no device answers."""
    space = AddressSpace()
    for access in (
        lambda: space.read(0x10, 4),
        lambda: space.write(0x10, 4, 0),
        lambda: space.update(0x10, 4, lambda old: old),
        lambda: space.port_read(0x10, 1),
        lambda: space.port_write(0x10, 1, 0),
    ):
        with pytest.raises(UnmappedAccess, match="nothing is mapped at 0x10; "):
            access()


@pytest.mark.parametrize(("unmapped", "answer"), [("ones", 0xFFFFFFFF), ("zeros", 0)])
def test_unmapped_answers_when_asked_to(unmapped: str, answer: int) -> None:
    """Like an open bus, or a bridge that answers zeros; the record has no region and says that no device answered."""
    log = Log()
    space = AddressSpace(log, unmapped=unmapped)  # type: ignore[arg-type]
    assert space.read(0x10, 4) == answer
    space.write(0x10, 4, 5)
    assert space.port_read(0x80, 1) == answer & 0xFF
    assert log.brief == [
        (READ, 0x10, 4, answer, UNMAPPED),
        (WRITE, 0x10, 4, 5, UNMAPPED),
        (READ, 0x80, 1, answer & 255, 8),
    ]
    assert [(record.region, record.offset) for record in log] == [(None, 0x10), (None, 0x10), (None, 0x80)]


@pytest.mark.parametrize("access", [(-1, 1), (-4, 8), (2**64 - 1, 2), (2**64, 1)])
def test_the_space_has_ends(access: tuple[int, int]) -> None:
    """Nothing wraps, and nothing answers outside, whatever the policy."""
    space = AddressSpace(unmapped="ones")
    with pytest.raises(UnmappedAccess, match="the space ends at 0x10000000000000000"):
        space.read(*access)


def test_the_ports_end_at_64k() -> None:
    """Port 0xffff is the last."""
    space = AddressSpace(unmapped="ones")
    assert space.port_read(0xFFFF, 1) == 0xFF
    with pytest.raises(UnmappedAccess, match="the space ends at 0x10000; read of 2 bytes at port 0xffff"):
        space.port_read(0xFFFF, 2)


def test_a_hole_in_a_device_is_an_error() -> None:
    """An access that touches a byte without a register names the first such byte, and no part of it is done."""
    spy = Sparse()
    space, _ = _space(spy, unaligned="split")  # nothing is plain, so holes are asked for first
    with pytest.raises(UnmappedAccess) as caught:
        space.read(0x1000, 8)
    assert str(caught.value) == (
        "Sparse has no register at offset 0x4; read of 8 bytes at address 0x1000, 'device' offset 0x0"
    )
    assert spy.seen == []


def test_holes_are_filled_around_registers() -> None:
    """Under a policy the registers are accessed, the rest is ones or dropped, in one record of the full width."""
    spy = Sparse()
    space, log = _space(spy, unaligned="split", unmapped="ones")
    assert space.read(0x1000, 8) == 0x1716_FFFF_13121110
    space.write(0x1000, 8, 0x0102030405060708)
    assert spy.seen == [("read", 0, 4), ("read", 6, 2), ("write", 0, 4), ("write", 6, 2)]
    assert bytes(spy.data[:8]) == bytes.fromhex("08070605 1415 0201")
    assert log.brief == [
        (READ, 0x1000, 8, 0x1716_FFFF_13121110, UNMAPPED),
        (WRITE, 0x1000, 8, 0x0102030405060708, UNMAPPED),
    ]


class Level(IntEnum):
    """An int by another name."""

    HIGH = 3


@pytest.mark.parametrize(("answer", "value"), [(0, 0), (0xFFFF, 0xFFFF), (True, 1), (Level.HIGH, 3)])
def test_an_integer_is_what_python_takes_for_one(answer: object, value: int) -> None:
    """Bools and IntEnum members are answers, and become plain ints on the way."""
    space, log = _space(Answering(answer))
    result = space.read(0x1000, 2)
    assert (result, type(result)) == (value, int)
    assert type(log[0].value) is int


@pytest.mark.parametrize("answer", [None, "1", 1.0, b"\x01", -1, 0x10000])
def test_anything_else_is_a_device_error(answer: object) -> None:
    """None, what is no integer, negative values and values too wide name the device and what it should have said."""
    for policy in ({}, {"widths": {1}}):
        space, log = _space(Answering(answer), **policy)
        with pytest.raises(DeviceError) as caught:
            space.read(0x1004, 2)
        assert str(caught.value).startswith(f"the device answered {answer!r}, expected an int in 0..0xff")
        assert "'device' offset 0x4" in str(caught.value)
        assert log == []


def test_exceptions_of_a_model_pass_through() -> None:
    """They come out as they are, the access is not recorded, and what was recorded before stays."""
    error = ZeroDivisionError("bug")

    class Buggy(Spy):
        def read(self, offset: int, width: int) -> int:
            raise error

        def write(self, offset: int, width: int, value: int) -> None:
            raise error

    space, log = _space(Spy())
    space.map(0x2000, 0x10, Buggy())
    space.read(0x1000, 1)
    for access in (
        lambda: space.read(0x2000, 4),
        lambda: space.write(0x2000, 4, 0),
        lambda: space.read(0x2000, 16),
        lambda: space.update(0x2000, 4, lambda old: old),
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            access()
        assert caught.value is error
    assert log.brief == [(READ, 0x1000, 1, 0x10, 0)]


def test_finished_parts_are_recorded_when_a_later_one_fails() -> None:
    """The device on the left was read, whatever became of the right half."""
    space, log = _space(Spy())
    space.map(0x1100, 0x10, Answering(None))
    with pytest.raises(DeviceError):
        space.read(0x10FE, 4)
    assert log.brief == [(READ, 0x10FE, 2, 0x0F0E, SPLIT)]


def test_update_is_one_record_with_both_values() -> None:
    """The device sees a read and a write; the record has what was written and what was read."""
    spy = Spy()
    space, log = _space(spy)
    assert space.update(0x1000, 4, lambda old: old + 1) == 0x13121110
    assert spy.seen == [("read", 0, 4), ("write", 0, 4)]
    assert log.brief == [(READ_WRITE, 0x1000, 4, 0x13121111, ATOMIC)]
    assert log[0].old == 0x13121110


def test_update_across_a_border() -> None:
    """All parts are read before any is written, and each is one record."""
    order: list[str] = []

    class Ordered(Spy):
        def read(self, offset: int, width: int) -> int:
            order.append("read")
            return super().read(offset, width)

        def write(self, offset: int, width: int, value: int) -> None:
            order.append("write")
            super().write(offset, width, value)

    space, log = _space(Ordered())
    space.map(0x1100, 0x100, Ordered())
    assert space.update(0x10FE, 4, lambda old: old ^ 0xFFFFFFFF) == 0x11100F0E
    assert order == ["read", "read", "write", "write"]
    assert log.brief == [
        (READ_WRITE, 0x10FE, 2, 0xF0F1, ATOMIC | SPLIT),
        (READ_WRITE, 0x1100, 2, 0xEEEF, ATOMIC | SPLIT),
    ]
    assert [record.old for record in log] == [0x0F0E, 0x1110]


def test_an_update_that_fails_half_way_was_a_read() -> None:
    """The device has answered the read, with whatever effects; so it is in the trace."""

    class ReadOnly(Spy):
        def write(self, offset: int, width: int, value: int) -> None:
            raise PermissionError

    space, log = _space(ReadOnly())
    with pytest.raises(PermissionError):
        space.update(0x1000, 1, lambda old: old)
    assert log.brief == [(READ, 0x1000, 1, 0x10, ATOMIC)]


def test_update_is_left_to_a_device_that_can() -> None:
    """Memory that other programs share has real atomics: its `update` is used, and recorded like any."""

    class Atomic(Spy):
        def update(self, offset: int, width: int, operation: Callable[[int], int]) -> int:
            self.seen.append(("update", offset, width))
            operation(7)
            return 7

    atomic = Atomic()
    space, log = _space(atomic)
    assert space.update(0x1008, 4, lambda old: old + 1) == 7
    assert atomic.seen == [("update", 8, 4)]
    assert (log.brief, log[0].old) == ([(READ_WRITE, 0x1008, 4, 8, ATOMIC)], 7)


def test_updates_do_not_mix() -> None:
    """While one initiator is between its read and its write, another's update waits."""
    reading, go_on = Event(), Event()

    class Slow(Spy):
        def read(self, offset: int, width: int) -> int:
            value = super().read(offset, width)
            if not reading.is_set():
                reading.set()
                assert go_on.wait(10)
            return value

    slow = Slow()
    slow.data[0] = 0
    space, log = _space(slow)
    threads = [Thread(target=space.initiator(i).update, args=(0x1000, 1, lambda old: old + 1)) for i in range(2)]
    threads[0].start()
    assert reading.wait(10)
    threads[1].start()
    threads[1].join(0.05)
    assert threads[1].is_alive()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert slow.data[0] == 2
    assert [(record.old, record.value, record.thread) for record in log] == [(0, 1, 0), (1, 2, 1)]


def test_a_device_may_update_memory_when_it_is_updated() -> None:
    """The lock is reentrant: a doorbell may well make the device touch memory atomically."""
    space = AddressSpace()

    class Doorbell(Spy):
        def write(self, offset: int, width: int, value: int) -> None:
            space.update(0x2000, 4, lambda old: old + 1)

    space.ram(0x2000, 0x10)
    space.map(0x1000, 4, Doorbell())
    space.update(0x1000, 4, lambda old: old)
    assert space.read(0x2000, 4) == 1


def test_a_kept_hit_follows_the_map() -> None:
    """Mapping over, unmapping and mapping again take effect on the very next access of every initiator."""
    space = AddressSpace()
    space.ram(0x1000, 0x100)
    initiator = space.initiator()
    assert initiator.read(0x1010, 4) == 0
    overlay = space.map(0x1010, 4, Answering(0x55), priority=1)
    assert initiator.read(0x1010, 4) == 0x55
    space.unmap(overlay)
    assert initiator.read(0x1010, 4) == 0
    space.unmap(0x1000)
    with pytest.raises(UnmappedAccess):
        initiator.read(0x1010, 4)


@given(st.integers(0, 0x2F), st.sampled_from([1, 2, 4, 6, 8, 10, 16, 32, 64]), st.data())
def test_the_long_way_is_the_short_way_in_parts(offset: int, width: int, data: st.DataObject) -> None:
    """However regions and policies cut it, an access moves the same bytes, and its records tile it."""
    space = AddressSpace(log := Log())
    memory = Spy(0x80)
    at = 0x1000
    while at < 0x1080:  # one memory, mapped in slices of any length and policy
        length = data.draw(st.integers(1, 0x1080 - at))

        class Slice(Spy):
            base = at - 0x1000

            def read(self, offset: int, width: int) -> int:
                return memory.read(self.base + offset, width)

            def write(self, offset: int, width: int, value: int) -> None:
                memory.write(self.base + offset, width, value)

        widths = data.draw(st.sets(st.sampled_from([2, 4, 8, 16]))) | {1}
        space.map(at, length, Slice(), widths=widths, unaligned=data.draw(st.sampled_from(["pass", "split"])))
        at += length
    expected = bytes(memory.data[offset : offset + width])
    assert space.read(0x1000 + offset, width) == int.from_bytes(expected, "little")
    written = data.draw(st.binary(min_size=width, max_size=width))
    space.write(0x1000 + offset, width, int.from_bytes(written, "little"))
    assert bytes(memory.data[offset : offset + width]) == written
    for direction, whole in ((READ, expected), (WRITE, written)):
        parts = [record for record in log if record.direction == direction]
        assert b"".join(part.value.to_bytes(part.width, "little") for part in parts) == whole
        assert all(one.address + one.width == next_one.address for one, next_one in pairwise(parts))
        assert all(bool(part.flags & SPLIT) == (len(parts) > 1) for part in parts)
