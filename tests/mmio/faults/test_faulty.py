"""A device with faults, as the bus sees it."""

import json
from ctypes import c_int, c_void_p
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import AddressSpace, Clock, Spaced, UnmappedAccess, assert_accesses, ioremap, us
from mmio.faults import BusError, BusFault, FaultWarning, parse, wrap
from mmio.models import Uart16550
from mmio.strategies import fault_schedules
from tests.mmio.faults.card import Bytes, Card
from tests.native import compile_c

IDLE = pytest.mark.filterwarnings("ignore::mmio.faults.FaultWarning")

PROBE = """
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
static sigjmp_buf before;
static void *where;
static int code;
static void handler(int number, siginfo_t *info, void *context)
{
    where = info->si_addr;
    code = info->si_code;
    siglongjmp(before, 1);
}
int probe(volatile uint32_t *at, int count)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO}, old;
    volatile int done = 0;
    sigaction(SIGBUS, &action, &old);
    if (!sigsetjmp(before, 1))
        for (; done < count; done++)
            (void)*at;
    sigaction(SIGBUS, &old, 0);
    return where == (void *)at && code == 2 /* BUS_ADRERR */ ? done : -1;
}
"""


def test_bits_are_stuck() -> None:
    """Those only, and in reads of a part and across registers, too."""
    card = Card()
    with wrap(card, "STAT stuck RDY=0 LEVEL=0xa") as faulty:
        assert faulty.read(4, 4) == 0xA0
        assert faulty.read(4, 1) == 0xA0
        assert faulty.read(5, 1) == 0
        assert faulty.read(0, 8) == 0xA0 << 32 | 0x100
        faulty.write(4, 4, 0xFF)
    assert card.stat.value == 0xFF


def test_a_name_of_an_enumeration_is_its_value() -> None:
    """As the model declares it."""
    with wrap(Card(), "CTRL stuck MODE=FAST EN=1") as faulty:
        assert faulty.read(0, 4) == 0x109


def test_what_is_late_comes_after_so_many_reads_of_each_command() -> None:
    """At the start, and after each write to the device."""
    card = Card()
    with wrap(card, "STAT late RDY=1 by 2 reads") as faulty:
        assert [faulty.read(4, 4) for _ in range(4)] == [0, 0, 1, 1]
        faulty.write(0, 4, 0x101)
        assert [faulty.read(4, 4) for _ in range(4)] == [0, 0, 1, 1]
        card.stat.RDY = 0
        faulty.write(0, 4, 0x100)
        assert [faulty.read(4, 4) for _ in range(4)] == [0, 0, 0, 0]  # never more than the device has


def test_what_is_late_may_be_late_by_a_time() -> None:
    """After each write, by the device's clock."""
    card = Card()
    with wrap(card, "STAT late RDY=1 by 20us") as faulty:
        assert faulty.read(4, 4) == 0
        card.clock.run_for(us(20))
        assert faulty.read(4, 4) == 1
        faulty.write(0, 4, 0x101)
        assert faulty.read(4, 4) == 0


def test_what_is_removed_reads_as_ones_and_takes_no_writes() -> None:
    """The device is not asked any more."""
    card = Card()
    card.queue = [1, 2]
    with wrap(card, "Card removed after 1 access") as faulty:
        assert faulty.read(8, 4) == 1
        assert [faulty.read(8, width) for width in (1, 2, 4)] == [0xFF, 0xFFFF, 0xFFFFFFFF]
        faulty.write(0, 4, 0)
    assert card.queue == [2]
    assert card.ctrl.value == 0x100


def test_one_register_may_be_removed() -> None:
    """Reads across it have ones there only."""
    with wrap(Card(), "CTRL removed") as faulty:
        assert faulty.read(0, 8) == 1 << 32 | 0xFFFFFFFF
        assert faulty.read(4, 4) == 1


def test_a_write_is_lost() -> None:
    """The device does not get it."""
    card = Card()
    with wrap(card, "CTRL lost at write 2") as faulty:
        for value in (1, 2, 3):
            faulty.write(0, 4, value)
            assert card.ctrl.value == (1, 1, 3)[value - 1]


def test_an_overrun_loses_what_is_next_and_shows_a_flag_once() -> None:
    """The driver reads what came after."""
    card = Card()
    card.queue = [1, 2, 3, 4]
    with wrap(card, "DATA overrun STAT.ERR=1 at read 2") as faulty:
        assert faulty.read(4, 4) == 1
        assert [faulty.read(8, 4) for _ in range(3)] == [1, 3, 4]
        assert [faulty.read(4, 4) for _ in range(2)] == [3, 1]


def test_a_bus_error_names_the_access_and_the_fault() -> None:
    """As every error of an access does."""
    space = AddressSpace()
    with wrap(Card(), "STAT bus-error at access 2") as faulty:
        space.map(0x1000, 0x100, faulty)
        space.read(0x1004, 4)
        with pytest.raises(
            BusError, match=r"'STAT bus-error at access 2'.*write of 4 bytes at address 0x1004, 'Card'.*\(STAT\)"
        ):
            space.write(0x1004, 4, 1)
        assert space.read(0x1004, 4) == 1


@pytest.mark.parametrize("reads", [3, 100])
def test_a_program_in_this_process_gets_sigbus(tmp_path: Path, reads: int) -> None:
    """At the access's address, with BUS_ADRERR; by a signal's handler, and from an instruction that is patched."""
    library = compile_c(PROBE, tmp_path)
    library.probe.argtypes = c_void_p, c_int
    with wrap(Card(), f"CTRL sigbus after {reads} reads") as faulty, ioremap(faulty) as mapping:
        assert library.probe(mapping, 200) == reads
        assert len(mapping.trace) == reads


def test_a_caller_of_the_emulator_gets_a_page_fault() -> None:
    """It has no signals."""
    with wrap(Card(), "CTRL sigbus") as faulty, pytest.raises(BusFault, match="the fault 'CTRL sigbus' says"):
        faulty.read(0, 4)


def test_a_condition_is_about_what_a_register_holds() -> None:
    """Looked at without an access."""
    card = Card()
    card.queue = [7]
    with wrap(card, "STAT stuck RDY=0 when CTRL.MODE=FAST") as faulty:
        assert faulty.read(4, 4) == 1
        card.ctrl.MODE = 2
        assert faulty.read(4, 4) == 0
    assert card.queue == [7]


def test_registers_that_share_bytes_are_told_apart() -> None:
    """By direction and by what the device's state is."""
    uart = Uart16550()
    with wrap(uart, ["THR lost", "DLL stuck 0x55", "LCR stuck bit7=0 at read 9"]) as faulty:
        faulty.write(0, 1, 0x41)
        assert uart.take() == b""
        assert faulty.read(0, 1) == 0
        faulty.write(3, 1, 0x80)
        faulty.write(0, 1, 0x0C)
        assert faulty.read(0, 1) == 0x55
        assert uart["DLL"].value == 0x0C
        with pytest.warns(FaultWarning):
            faulty.close()


def test_records_have_the_devices_names() -> None:
    """Region, register and fields; also where they depend on the device's state."""
    with wrap(Card(), "STAT stuck RDY=0") as faulty:
        space = AddressSpace()
        assert space.map(0, 0x100, faulty).name == "Card"
        assert faulty.layout is Card.layout
        assert faulty.describe(4, 4, 2) == "RDY=0 ERR=1 LEVEL=0x0"
        assert faulty.holes(0x10, 4) == 0xFFFFFFFF
        assert faulty.naming is None
        faulty.read(4, 4)
    with wrap(Uart16550(), "LSR stuck DR=1") as faulty, ioremap(faulty) as mapping:
        mapping.space.write(mapping.address + 3, 1, 0x80)
        mapping.space.read(mapping.address + 5, 1)
        mapping.space.read(mapping.address, 1)


def test_spaced_devices_have_faults_of_their_registers() -> None:
    """Wrapped as they are, or within."""
    with wrap(Spaced(Uart16550(), 4), "LSR stuck DR=1") as faulty:
        assert faulty.read(20, 4) & 1
        assert faulty.length == 32
    with wrap(Uart16550(), "LSR stuck DR=1") as faulty:
        assert Spaced(faulty, 4).read(20, 1) & 1


def test_a_device_without_a_base_class_has_faults_of_bytes() -> None:
    """Named by offsets."""
    with wrap(Bytes(), "+0x10/1 stuck bit3=1") as faulty:
        assert faulty.read(0x10, 1) == 8
        assert faulty.read(0xC, 8) == 8 << 32
        assert faulty.read(0x11, 1) == 0


def test_blocks_and_updates_do_not_get_round_a_fault() -> None:
    """They are as the device has them where no fault is."""
    device = Bytes()
    with wrap(device, ["+0x10 stuck bit0=1", "+0x20 lost"]) as faulty:
        assert faulty.read_block(0, 16) == bytes(16)
        assert faulty.read_block(0, 17) is None
        assert faulty.write_block(0, b"ab") is True
        assert faulty.write_block(0x1F, b"ab") is False
        assert faulty.update(0, 1, lambda old: old + 1) == ord("a")
        assert faulty.update(0x10, 1, lambda old: old + 1) == 1
        assert faulty.update(0x20, 1, lambda old: old + 1) == 0
    assert device.held[0] == ord("b")
    assert device.held[0x10] == 2
    assert device.held[0x20] == 0
    with wrap(Card(), "CTRL lost at write 1") as faulty:
        assert not hasattr(faulty, "update")
        faulty.write(0, 4, 1)


def test_bytes_that_are_missing_are_the_mappings_matter() -> None:
    """Its policy answers, as without faults."""
    space = AddressSpace()
    with wrap(Card(), "STAT stuck RDY=0") as faulty:
        space.map(0x1000, 0x100, faulty)
        space.map(0x2000, 0x100, faulty, unmapped="ones")
        with pytest.raises(UnmappedAccess, match="Card has no register at offset 0x10"):
            space.read(0x1010, 4)
        assert space.read(0x2010, 4) == 0xFFFFFFFF
        assert space.read(0x2004, 4) == 0
        space.write(0x2010, 4, 1)


SCHEDULE = parse(
    "STAT stuck ERR=1 with probability 0.5 seed 9",
    "STAT late RDY=1 by 2 reads",
    "DATA overrun at read 3",
    "irq lost at interrupt 2",
    "CTRL removed after 6 accesses",
)


@given(st.lists(st.tuples(st.sampled_from([0, 4, 8]), st.booleans()), max_size=30), st.integers(0, 30))
def test_restored_it_goes_on_the_same(accesses: list[tuple[int, bool]], cut: int) -> None:
    """The law of snapshots, through JSON."""
    card = Card()

    def perform(part: list[tuple[int, bool]]) -> list[int | None]:
        return [faulty.write(offset, 4, 1) if writes else faulty.read(offset, 4) for offset, writes in part]

    faulty = wrap(card, SCHEDULE)
    perform(accesses[:cut])
    state = json.loads(json.dumps(faulty.snapshot()))
    card.queue = [1, 2, 3, 4, 5]
    first = perform(accesses[cut:])
    faulty.restore(state)
    card.queue = [1, 2, 3, 4, 5]
    assert perform(accesses[cut:]) == first
    faulty.close(warn=False)


@pytest.mark.parametrize("state", [{}, None, {"faults": [], "asserted": {}, "device": {}}, {"faults": 3}])
def test_a_state_of_something_else_is_refused(state: object) -> None:
    """And nothing has changed."""
    faulty = wrap(Card(), SCHEDULE)
    before = faulty.snapshot()
    with pytest.raises(ValueError, match=r"no snapshot of a Card with these faults: mmio\.faults\.parse"):
        faulty.restore(state)  # type: ignore[arg-type]
    assert faulty.snapshot() == before
    faulty.close(warn=False)


@given(
    fault_schedules(Card, max_faults=4, until=1000),
    st.lists(st.tuples(st.sampled_from(range(0, 12, 4)), st.booleans())),
)
def test_equal_schedules_do_the_same(schedule: object, accesses: list[tuple[int, bool]]) -> None:
    """The law that makes a printed schedule a reproduction."""
    seen = []
    for each in (schedule, parse(str(schedule))):
        card = Card()
        card.queue = list(range(50))
        with wrap(card, each) as faulty:  # type: ignore[arg-type]
            seen.append([faulty.write(at, 4, 5) if writes else faulty.read(at, 4) for at, writes in accesses])
            faulty.close(warn=False)
        seen[-1].append(str(card.snapshot()))  # type: ignore[arg-type]
    assert seen[0] == seen[1]


@given(st.lists(st.tuples(st.sampled_from([0, 4, 5, 8, 0xC, 0x20]), st.sampled_from([1, 2, 4]), st.booleans())))
@IDLE
def test_faults_that_wait_change_nothing(accesses: list[tuple[int, int, bool]]) -> None:
    """A device with faults that do not happen answers as the device."""
    plain, card = Card(), Card()
    plain.queue, card.queue = [1, 2, 3], [1, 2, 3]
    waiting = [
        "STAT stuck RDY=0 after 1000 reads",
        "CTRL lost at write 1000",
        "Card removed after 1000 accesses",
        "DATA overrun at read 1000",
        "STAT stuck LEVEL=3 from 1s",
        "irq lost at interrupt 1000",
    ]
    with wrap(card, waiting) as faulty:
        for offset, width, writes in accesses:
            if writes:
                plain.write(offset, width, 1)
                faulty.write(offset, width, 1)
            else:
                assert faulty.read(offset, width) == plain.read(offset, width)
    assert card.snapshot() == plain.snapshot()


def test_faults_that_have_never_happened_are_told() -> None:
    """In one warning at the end, with what was seen at their places; not when the test has failed anyway."""
    faulty = wrap(Card(), ["STAT stuck RDY=0 at read 9", "irq lost", "CTRL stuck EN=1"])
    faulty.read(4, 4)
    faulty.read(0, 4)
    assert faulty.fired == parse("CTRL stuck EN=1")
    what = r"2 faults .*'STAT stuck RDY=0 at read 9' \(there was 1 read\).*'irq lost' \(nothing has touched its place\)"
    with pytest.warns(FaultWarning, match=what) as told:
        faulty.__exit__(None, None, None)
    assert len(told) == 1
    assert told[0].filename == __file__
    assert faulty.unfired == parse("STAT stuck RDY=0 at read 9", "irq lost")


@pytest.mark.filterwarnings("error")
def test_an_error_keeps_its_place() -> None:
    """A fault that it has kept from happening is not told."""
    with pytest.raises(ZeroDivisionError), wrap(Card(), "irq lost"):
        raise ZeroDivisionError


def test_after_the_end_the_device_is_as_it_was() -> None:
    """The wrapper, which may be mapped still, answers as the device."""
    card = Card()
    with wrap(card, "STAT stuck RDY=0") as faulty:
        assert faulty.read(4, 4) == 0
    assert faulty.read(4, 4) == 1
    faulty.close()


def test_a_clock_may_be_given() -> None:
    """To a device that has none."""
    clock = Clock()
    with wrap(Bytes(), "+0 stuck bit0=1 from 5us", clock=clock) as faulty:
        assert faulty.read(0, 4) == 0
        clock.advance(5000)
        assert faulty.read(0, 4) == 1
    with pytest.raises(TypeError, match="clock is a Clock, not 5"):
        wrap(Bytes(), "+0 stuck bit0=1", clock=5)  # type: ignore[arg-type]


def test_a_driver_in_c_meets_them(tmp_path: Path) -> None:
    """Through a mapping; the trace has what the driver saw."""
    library = compile_c(
        "#include <stdint.h>\nint wait(volatile uint32_t *r) { int n = 0; while (!(r[1] & 1)) n++; return n; }",
        tmp_path,
    )
    library.wait.argtypes = (c_void_p,)
    with wrap(Card(), "STAT late RDY=1 by 3 reads") as faulty, ioremap(faulty) as mapping:
        assert library.wait(mapping) == 3
        assert_accesses(mapping.trace, ["R4 STAT=0x0"] * 3 + ["R4 STAT=0x1"])
