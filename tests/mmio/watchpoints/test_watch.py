"""Watchpoints in an address space: which accesses they see, and what they do about them."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE, Direction
from emulate import Cpu, Emulator, Ram
from mmio import AddressSpace, Device, Hit, MappingError, Region, Watch, WatchpointStop, register
from tests.mmio.doubles import Log, Spy

END = 0x40


def _space(trace: Any = None) -> AddressSpace:
    """Plain memory, a device over part of it that takes 4 bytes at most, and zeros around."""
    space = AddressSpace(trace, unmapped="zeros")
    space.ram(0, 0x20)
    space.map(0x20, 0x10, Spy(), "card", widths={1, 2, 4})
    return space


def _seen(watch: Watch) -> list[tuple[str, int, int]]:
    return [(hit.access.letter, hit.access.address, hit.access.width) for hit in watch]


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("read", ["R", "RW"]),
        ("write", ["W", "W", "RW"]),
        ("access", ["R", "W", "W", "RW"]),
        ("change", ["W", "RW"]),
    ],
)
def test_on_says_which_accesses(on: Any, expected: list[str]) -> None:
    """Reads, writes, both, or what leaves other bytes; an atomic both reads and writes."""
    space = _space()
    with space.watch(0x10, 4, on) as hits:
        space.read(0x10, 4)
        space.write(0x10, 4, 0)
        space.write(0x10, 4, 5)
        space.update(0x10, 4, lambda old: old + 1)
    assert [hit.access.letter for hit in hits] == expected


@pytest.mark.parametrize(
    ("address", "width", "hit"), [(0xC, 4, False), (0xC, 8, True), (0x11, 1, True), (0x12, 2, False)]
)
def test_bytes_are_exact(address: int, width: int, hit: bool) -> None:
    """An access is a hit when it has a byte in common with what is watched."""
    space = _space()
    with space.watch(0x10, 2) as hits:
        space.write(address, width, 0)
    assert len(hits) == hit


def test_a_hit_has_the_whole_access_and_the_bytes_watched() -> None:
    """The access is as the instruction made it; old and new are those of its bytes that are watched."""
    space = _space()
    space.write(8, 8, 0x1716151413121110)
    with space.watch(0xA, 3, name="flag") as hits:
        space.write(8, 8, 0x2726252423222120)
    (hit,) = hits
    assert (hit.access.address, hit.access.width, hit.access.value) == (8, 8, 0x2726252423222120)
    assert (hit.offset, hit.old, hit.new, hit.value) == (0, b"\x12\x13\x14", b"\x22\x23\x24", 0x242322)
    assert (hit.number, hit.name, hit.changed) == (1, "flag", True)
    assert (hit.access.region, hit.access.offset) == ("ram", 8)


def test_the_device_sees_what_it_would_see_without() -> None:
    """A watchpoint splits no access, repeats none, reads nothing of its own, and changes no record."""

    def run(watched: bool) -> tuple[Any, Any]:
        log, card = Log(), Spy()
        space = AddressSpace(log)
        space.map(0x20, 0x10, card, "card")
        if watched:
            for at in range(0x20, 0x30, 3):
                space.watch(at, 2, "change")
        values = [space.read(at, width) for at in range(0x20, 0x28) for width in (1, 2, 4, 8)]
        for at in range(0x20, 0x28):
            space.write(at, 8, at)
            space.update(at, 4, lambda old: old ^ 1)
        return card.seen, (values, [(*brief, record.offset) for brief, record in zip(log.brief, log, strict=True)])

    assert run(False) == run(True)


def test_a_policy_splits_for_the_device_only() -> None:
    """What a policy cuts is one access to a watchpoint."""
    space = _space()
    with space.watch(0x20, 8, "access") as hits:
        space.write(0x20, 8, 1 << 40)
        space.read(0x1C, 8)
    assert _seen(hits) == [("W", 0x20, 8), ("R", 0x1C, 8)]


def test_change_of_a_device_is_against_what_was_seen_last() -> None:
    """A device is not read to find out what it had: the first access only teaches."""
    space = _space()
    card = space.memory.find(0x20).region.device
    assert isinstance(card, Spy)
    with space.watch(0x20, 4, "change") as hits:
        space.write(0x20, 4, 1)  # what was there is not known
        space.write(0x20, 4, 1)
        space.read(0x20, 4)
        card.data[0] = 7  # on its own account
        space.read(0x20, 4)
        space.read(0x20, 4)
    assert [(hit.access.letter, hit.old, hit.new[:1]) for hit in hits] == [("R", b"\1\0\0\0", b"\7")]
    assert ("read", 0, 4) in card.seen
    assert len(card.seen) == 5


@pytest.mark.parametrize(
    ("value", "expected"), [(3, [3]), (range(2, 5), [2, 3, 4]), ({1, 9}, [1, 9]), (lambda v: v > 7, [8, 9])]
)
def test_a_condition_on_the_value(value: Any, expected: list[int]) -> None:
    """A number, a range or set, or a function, of the watched bytes that were touched."""
    space = _space()
    with space.watch(0x11, 1, value=value) as hits:
        for number in range(10):
            space.write(0x10, 2, number << 8 | 0xEE)
    assert [hit.value for hit in hits] == expected


def test_a_condition_on_ip() -> None:
    """Only the instructions meant count."""
    space = _space()
    emulator, cpu = Emulator(space), Cpu(rdi=0x10)
    with space.watch(0x10, 4, ip=0x401000) as one, space.watch(0x10, 4, ip=range(0x401002, 0x401003)) as other:
        for ip in (0x401000, 0x401001, 0x401002):
            cpu.rip = ip
            emulator.step(cpu, bytes.fromhex("8907"))  # mov [rdi],eax
    assert [hit.ip for hit in one] == [0x401000]
    assert [hit.ip for hit in other] == [0x401002]
    assert other[0].access.text == "mov [rdi],eax"


def test_a_condition_on_the_hit_comes_last() -> None:
    """`when` is asked about what the other conditions have let through."""
    space = _space()
    asked: list[int] = []

    def when(hit: Hit) -> bool:
        asked.append(hit.value)
        return hit.changed

    with space.watch(0x10, value=range(5, 9), when=when) as hits:
        for number in (1, 5, 5, 9):
            space.write(0x10, 1, number)
    assert (asked, [hit.value for hit in hits]) == ([5, 5], [5])


def test_ignored_hits_are_only_counted() -> None:
    """The first N are counted, and neither kept, nor told, nor stopped for."""
    space = _space()
    told: list[Hit] = []
    with space.watch(0x10, ignore=2, call=told.append) as hits:
        for number in range(5):
            space.write(0x10, 1, number)
    assert [hit.number for hit in hits] == [3, 4, 5]
    assert (hits.total, told) == (5, list(hits))


def test_only_the_last_are_kept() -> None:
    """`keep` bounds the memory, not the count."""
    space = _space()
    with space.watch(0x10, keep=2) as hits:
        for number in range(5):
            space.write(0x10, 1, number)
    assert ([hit.value for hit in hits], hits.total) == ([3, 4], 5)


def test_stop_comes_after_the_access() -> None:
    """The access has been made and recorded when `WatchpointStop` is raised, and no register has changed."""
    log = Log()
    space = AddressSpace(log)
    space.map(0, 0x10, Ram(0x10), "memory")
    cpu = Cpu(rip=0x1000, rdi=4, eax=7)
    with (
        space.watch(4, 4, stop=True) as hits,
        pytest.raises(WatchpointStop, match=r"W 4 .*: mov \[rdi\],eax") as caught,
    ):
        Emulator(space).step(cpu, bytes.fromhex("8907"))
    assert caught.value.hit is hits[0]
    assert (space.read(4, 4), len(log), cpu.rip) == (7, 2, 0x1000)


def test_what_a_callback_raises_comes_out() -> None:
    """As with a device."""

    def call(hit: Hit) -> None:
        raise LookupError(hit.value)

    space = _space()
    with space.watch(0x10, call=call), pytest.raises(LookupError, match="7"):
        space.write(0x10, 1, 7)


def test_closed_is_closed() -> None:
    """Nothing is seen after the end; closing again does nothing; what was found stays."""
    space = _space()
    watch = space.watch(0x10)
    space.write(0x10, 1, 1)
    watch.close()
    watch.close()
    space.write(0x10, 1, 2)
    assert (len(watch), watch.closed, watch[0].value, watch[-1:]) == (1, True, 1, [watch[0]])
    assert repr(watch) == "<Watch '0x10' 0x10..0x11 on write, 1 hits, closed>"


def test_a_callback_may_close_its_own_watchpoint() -> None:
    """Once is enough for some."""
    space = _space()
    watch = space.watch(0x10, call=lambda hit: watch.close())
    space.write(0x10, 1, 1)
    space.write(0x10, 1, 2)
    assert watch.total == 1


def test_what_a_callback_does_is_no_hit() -> None:
    """A callback may read and write the bytes it is told of."""
    space = _space()

    def call(hit: Hit) -> None:
        space.write(0x10, 1, space.read(0x10, 1) + 1)

    with space.watch(0x10, on="access", call=call) as hits:
        space.write(0x10, 1, 5)
        assert hits.total == 1
        space.write(0x10, 1, 7)  # the next one of the program's is
    assert _seen(hits) == [("W", 0x10, 1)] * 2
    assert space.read(0x10, 1) == 8


def test_a_callback_waits_for_nobody() -> None:
    """An atomic access is over when it is told: another thread may make one meanwhile."""
    space = _space()
    other = space.initiator(1)

    def call(hit: Hit) -> None:
        if not hit.access.thread:
            thread = threading.Thread(target=other.update, args=(0x10, 4, lambda old: old + 1))
            thread.start()
            thread.join()

    with space.watch(0x10, 4, call=call) as hits:
        space.update(0x10, 4, lambda old: old + 1)
    assert [hit.access.thread for hit in hits] == [0, 1]
    assert space.read(0x10, 4) == 2


def test_a_watched_port_reports_hits() -> None:
    """A port is watched like memory."""
    space = AddressSpace(unmapped="ones")
    space.map_ports(0x70, 2, Spy())
    with space.watch_ports(0x71, on="access") as hits:
        space.port_write(0x70, 2, 0x1234)
        space.port_read(0x70, 1)
        space.read(0x71, 1)
    assert [(hit.access.place, hit.new) for hit in hits] == [("Spy+0x0", b"\x12")]


def test_a_register_has_its_name() -> None:
    """The access of a hit is named as a record is."""

    class Card(Device):
        status = register(4, width=4)

    space = AddressSpace()
    space.map(0x100, 8, Card(), "card")
    with space.watch(0x104, 4) as hits:
        space.write(0x104, 4, 3)
    assert hits[0].access.place == "card.STATUS"


def test_block_moves_are_seen() -> None:
    """REP STOS over plain memory goes in one piece, but not where it is watched."""
    space = AddressSpace()
    space.ram(0, 0x100)
    with space.watch(0x13, 2) as hits:
        Emulator(space).step(Cpu(rdi=0, rcx=0x40, al=7), bytes.fromhex("f3aa"))
    assert _seen(hits) == [("W", 0x13, 1), ("W", 0x14, 1)]
    assert space.read_block(0, 0x100) == b"\7" * 0x40 + bytes(0xC0)


def test_a_device_that_is_mapped_later_is_watched_too() -> None:
    """What is watched is addresses, whatever is there."""
    space = _space()
    with space.watch(0x34, 4) as hits:
        space.write(0x34, 4, 1)
        region = space.map(0x30, 8, Spy())
        space.write(0x34, 4, 2)
        space.unmap(region)
        space.write(0x34, 4, 3)
    assert [hit.access.region for hit in hits] == [None, "Spy", None]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"on": "sometimes"},
            ValueError,
            "a watchpoint is on one of 'read', 'write', 'access', 'change', not 'sometimes'",
        ),
        ({"ignore": -1}, ValueError, "ignore and keep count hits, from 0: ignore=-1, keep=None"),
        ({"length": 0}, ValueError, "a watchpoint has at least one byte, not 0"),
        ({"call": 5}, TypeError, "when and call are functions that take a Hit, not 5"),
        ({"value": 1.5}, TypeError, "value= takes an int, a range or set of them, or a function of one, not 1.5"),
        (
            {"value": b"\1"},
            TypeError,
            "value= takes an int, a range or set of them, or a function of one, not b'\\x01'",
        ),
        ({"ip": "main"}, ValueError, "ip='main' is the name of a function, and there are no symbols= to find it by"),
        ({"start": -1}, MappingError, "-0x1..0x0 cannot be watched, it is not a range within 0x0..0x10000000000000000"),
        ({"start": 1 << 64}, MappingError, "0x10000000000000000..0x10000000000000001 cannot be watched"),
    ],
)
def test_a_bad_argument_is_refused_and_leaves_nothing_behind(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """They are refused at once, in words, and leave nothing behind."""
    space = AddressSpace()
    with pytest.raises(error) as caught:
        space.watch(**{"start": 0x10, "length": 1} | arguments)
    assert message in str(caught.value)
    assert not space.memory.watches


def test_threads_count_together() -> None:
    """Every hit of every thread is counted once."""
    space = _space()
    with space.watch(0x10, 8) as hits:
        threads = [threading.Thread(target=_write_often, args=(space.initiator(n).write,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert hits.total == len(hits) == 400
    assert {hit.access.thread for hit in hits} == {0, 1, 2, 3}
    assert sorted(hit.number for hit in hits) == list(range(1, 401))


def _write_often(write: Callable[[int, int, int], None]) -> None:
    for number in range(100):
        write(0x10, 8, number)


@frozen
class Step:
    """Something done to the space, or to its watchpoints."""

    kind: str
    address: int
    width: int
    value: int


steps = st.builds(
    Step,
    st.sampled_from(["read", "write", "write", "update", "watch", "watch", "close", "map", "unmap"]),
    st.integers(0, END),
    st.sampled_from([1, 2, 3, 4, 8, 16]),
    st.integers(0, (1 << 128) - 1),
)


@given(st.lists(steps, max_size=40))
def test_watchpoints_are_what_asking_each_of_them_finds(steps: list[Step]) -> None:
    """After any changes, an access hits exactly those that have a byte of it, and memory is what it should be."""
    space = AddressSpace(unmapped="zeros")
    space.ram(0, END + 16)
    memory = bytearray(END + 16)
    watches: list[tuple[Watch, list[tuple[Direction, int, int, bytes]]]] = []
    regions: list[Region] = []
    for step in steps:
        address, width, value = step.address, step.width, step.value & (1 << 8 * step.width) - 1
        touched = slice(address, address + width)
        new, direction = None, READ
        match step.kind:
            case "watch":
                watches.append((space.watch(address, value % 20 + 1, "access"), []))
            case "close" if watches:
                watches.pop(value % len(watches))[0].close()
            case "map":  # over the memory, and with the same bytes
                device = Spy()
                device.data[:] = memory[address:].ljust(0x100, b"\0")
                if all(r.start >= address + width or r.end <= address for r in regions):
                    regions.append(space.map(address, width, device, priority=1, widths={1, 2, 4, 8, 16}))
            case "unmap" if regions:
                region = regions.pop(value % len(regions))
                space.unmap(region)
                for at in range(region.start, min(region.end, len(memory))):
                    space.write(at, 1, memory[at])
                for watch, expected in watches:
                    for at in range(region.start, region.end):
                        if watch.start <= at < watch.end:
                            expected.append((WRITE, at, 1, bytes(memory[at : at + 1])))
            case "read":
                assert space.read(address, width).to_bytes(width, "little") == memory[touched]
                new = bytes(memory[touched])
            case "write":
                space.write(address, width, value)
                new, direction = value.to_bytes(width, "little"), WRITE
            case "update":
                space.update(address, width, lambda old, flip=value: old ^ flip)  # type: ignore[misc]
                old = int.from_bytes(memory[touched], "little")
                new, direction = (old ^ value).to_bytes(width, "little"), READ_WRITE
        if new is not None:
            memory[touched] = new
            for watch, expected in watches:
                first, last = max(watch.start, address), min(watch.end, address + width)
                if first < last:
                    expected.append((direction, address, width, new[first - address : last - address]))
        for watch, expected in watches:
            assert [(h.access.direction, h.access.address, h.access.width, h.new) for h in watch] == expected
