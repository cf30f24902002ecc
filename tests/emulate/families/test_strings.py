"""String instructions: one state machine, elements one by one on devices and in blocks on plain memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulate import AlignmentCheck, Bus, Cpu, Emulator, GeneralProtection, PageFault, Ram, StackFault
from tests.emulate.everywhere import Everywhere


class Device(Ram):
    """Memory that insists on single accesses, and remembers them."""

    def __init__(self, contents: int | bytes, base: int = 0) -> None:
        super().__init__(contents, base)
        self.log: list[tuple[str, int, int]] = []

    def read(self, address: int, width: int) -> int:
        """Read, and take note."""
        self.log.append(("read", address, width))
        return super().read(address, width)

    def write(self, address: int, width: int, value: int) -> None:
        """Write, and take note."""
        self.log.append(("write", address, width))
        super().write(address, width, value)

    def read_block(self, address: int, length: int) -> None:  # type: ignore[override]
        """Refuse."""

    def write_block(self, address: int, data: bytes) -> bool:
        """Refuse."""
        return False


def step(bus: Bus, cpu: Cpu, code: str) -> Cpu:
    """Execute one instruction."""
    Emulator(bus).step(cpu, bytes.fromhex(code))
    return cpu


# --- one element ----------------------------------------------------------------------------------------------------


def test_movs_copies_and_moves_both_indexes() -> None:
    """MOVS reads DS:rSI, writes ES:rDI, and advances both by the width."""
    bus = Device(b"abcdefgh" + bytes(8))
    cpu = step(bus, Cpu(rsi=2, rdi=8), "66a5")
    assert bus.data == b"abcdefgh" + b"cd" + bytes(6)
    assert (cpu.rsi, cpu.rdi, cpu.rip) == (4, 10, 2)
    assert bus.log == [("read", 2, 2), ("write", 8, 2)]


def test_indexes_go_down_with_df() -> None:
    """With DF set they go the other way."""
    cpu = step(Ram(64), Cpu(rsi=16, rdi=32, df=1), "48a5")
    assert (cpu.rsi, cpu.rdi) == (8, 24)


def test_lods_merges_into_the_accumulator() -> None:
    """LODSB and LODSW keep the rest of RAX, LODSD clears its upper half."""
    contents = b"\x11\x22\x33\x44"
    before = 0xAAAAAAAAAAAAAAAA
    assert step(Ram(contents), Cpu(rax=before), "ac").rax == 0xAAAAAAAAAAAAAA11
    assert step(Ram(contents), Cpu(rax=before), "66ad").rax == 0xAAAAAAAAAAAA2211
    assert step(Ram(contents), Cpu(rax=before), "ad").rax == 0x44332211


def test_stos_stores_the_accumulator_without_reading() -> None:
    """STOS is a store and no more."""
    bus = Device(8)
    step(bus, Cpu(rax=0x1122334455667788, rdi=4), "ab")
    assert bus.log == [("write", 4, 4)]
    assert bus.data == bytes(4) + bytes.fromhex("88776655")


def test_cmps_and_scas_set_the_flags_of_a_subtraction() -> None:
    """CMPS is [rSI] - [rDI], SCAS the accumulator - [rDI]; nothing is written."""
    cpu = step(Ram(b"\x01\x02"), Cpu(rsi=0, rdi=1), "a6")
    assert (cpu.cf, cpu.zf, cpu.sf, cpu.af) == (1, 0, 1, 1)
    cpu = step(Ram(b"\x01\x02"), Cpu(rdi=1, al=2), "ae")
    assert (cpu.cf, cpu.zf, cpu.rdi) == (0, 1, 2)


def test_ins_and_outs_move_between_port_and_memory() -> None:
    """INS reads the port in DX before it writes ES:rDI; OUTS reads DS:rSI before it writes the port."""
    bus = Everywhere()
    step(bus, Cpu(rdi=0x1000, rdx=0xFFFF0170), "6d")
    assert bus.log == [(1, 0x170, 4), (2, 0x1000, 4)]
    assert bus.values[0] == bus.values[1]
    bus = Everywhere()
    step(bus, Cpu(rsi=0x1000, dx=0x170), "666f")
    assert bus.log == [(1, 0x1000, 2), (2, 0x170, 2)]


def test_an_override_is_the_source_s() -> None:
    """FS: moves the source; the destination stays where ES is."""
    bus = Everywhere()
    step(bus, Cpu(rsi=0x10, rdi=0x20, fs_base=0x1000), "64a4")
    assert [address for _, address, _ in bus.log] == [0x1010, 0x20]
    bus = Everywhere()
    step(bus, Cpu(16, si=0x10, di=0x20, ds=0x100, es=0x200, gs=0x300), "65a4")
    assert [address for _, address, _ in bus.log] == [0x3010, 0x2020]


# --- REP ------------------------------------------------------------------------------------------------------------


def test_rep_does_as_many_elements_as_the_count_says() -> None:
    """The count ends at zero, the indexes behind the last element, RIP behind the instruction."""
    bus = Device(bytes(range(16)) + bytes(16))
    cpu = step(bus, Cpu(rsi=4, rdi=16, rcx=3), "f366a5")
    assert bus.data[16:] == bytes(range(4, 10)) + bytes(10)
    assert (cpu.rcx, cpu.rsi, cpu.rdi, cpu.rip) == (0, 10, 22, 3)
    assert len(bus.log) == 6


def test_a_count_of_zero_touches_nothing() -> None:
    """Not even the flags of a compare."""
    bus = Device(16)
    cpu = step(bus, Cpu(rcx=0, rflags=0x8D7), "f3a6")
    assert (bus.log, cpu.rflags, cpu.rip) == ([], 0x8D7, 2)
    step(bus, Cpu(rdi=0x8000000000000000), "f3aa")


def test_repne_is_rep_where_nothing_is_compared() -> None:
    """F2 before MOVS, STOS, LODS, INS and OUTS does what F3 does."""
    for operation in ("a4", "aa", "ac", "6c", "6e"):
        by_f3, by_f2 = Everywhere(), Everywhere()
        cpu = Cpu(rsi=0x1000, rdi=0x2000, rcx=3, dx=0x80)
        assert step(by_f3, cpu.copy(), f"f3{operation}") == step(by_f2, cpu, f"f2{operation}")
        assert by_f3.log == by_f2.log


@pytest.mark.parametrize(
    ("code", "left", "zf"),
    [("f3a6", 2, 0), ("f2a6", 4, 1), ("f3ae", 4, 0), ("f2ae", 2, 1)],
)
def test_zf_ends_repe_and_repne(code: str, left: int, zf: int) -> None:
    """REPE continues while equal, REPNE while not; the element that decided is counted."""
    cpu = step(Device(b"aabaa" + b"aacaa"), Cpu(rsi=0, rdi=5, rcx=5, al=ord("c")), code)
    assert (cpu.rcx, cpu.zf) == (left, zf)


@pytest.mark.parametrize(
    ("bits", "code", "count", "left"),
    [
        (64, "f3aa", 3, 0),
        (64, "67f3aa", 0x500000003, 0),
        (32, "67f3aa", 0x50003, 0x50000),
        (16, "f3aa", 0x50003, 0x50000),
        (16, "67f3aa", 3, 0),
    ],
)
def test_the_count_has_the_address_size(bits: int, code: str, count: int, left: int) -> None:
    """Only RCX, ECX or CX is looked at; writing ECX in 64-bit code clears the upper half."""
    bus = Device(16)
    cpu = step(bus, Cpu(bits, rcx=count), code)
    assert (len(bus.log), cpu.rcx) == (3, left)


def test_32_bit_addresses_clear_upper_halves_even_for_nothing() -> None:
    """With a count of zero, Intel CPUs still zero-extend RCX, and for MOVS and STOS the indexes."""
    dirty = Cpu(rcx=5 << 32, rsi=6 << 32 | 1, rdi=7 << 32 | 2)
    cpu = step(Ram(1), dirty.copy(), "67f3a4")
    assert (cpu.rcx, cpu.rsi, cpu.rdi) == (0, 1, 2)
    cpu = step(Ram(1), dirty.copy(), "67f3a6")
    assert (cpu.rcx, cpu.rsi, cpu.rdi) == (0, dirty.rsi, dirty.rdi)


def test_indexes_wrap_at_the_address_size() -> None:
    """A 16-bit index goes from 0xffff to 0, keeping the upper half of its register."""
    bus = Everywhere()
    cpu = step(bus, Cpu(16, edi=0xAAAAFFFE, cx=2, es=0x100), "f366ab")
    assert [address for _, address, _ in bus.log] == [0x1000 + 0xFFFE, 0x1000 + 2]
    assert cpu.edi == 0xAAAA0006
    cpu = step(Everywhere(), Cpu(32, edi=0, ecx=1, df=1), "f3aa")
    assert cpu.edi == 0xFFFFFFFF


# --- faults ---------------------------------------------------------------------------------------------------------


def test_finished_elements_stay_when_one_faults() -> None:
    """Registers stand at the element that faulted; executing again continues there."""
    ram = Ram(16)
    cpu = Cpu(rdi=12, rcx=3, eax=0x11111111, rip=0x1000)
    with pytest.raises(PageFault) as caught:
        step(ram, cpu, "f3ab")
    assert caught.value.address == 16
    assert (cpu.rcx, cpu.rdi, cpu.rip) == (2, 16, 0x1000)
    assert ram.data[12:] == b"\x11" * 4
    bigger = Ram(32)
    assert step(bigger, cpu, "f3ab").rcx == 0
    assert bigger.data[16:24] == b"\x11" * 8


def test_a_fault_restores_the_flags_of_a_compare() -> None:
    """CMPS and SCAS that fault leave the flags they began with (SDM vol. 2B, REP)."""
    cpu = Cpu(rdi=0, rcx=3, al=0, rflags=0x8D7)
    with pytest.raises(PageFault):
        step(Ram(2), cpu, "f3ae")
    assert (cpu.rflags, cpu.rcx, cpu.rdi) == (0x8D7, 1, 2)


def test_addresses_are_checked_element_by_element() -> None:
    """Not canonical is #GP, beyond the limit too, through SS #SS; the elements before are done."""
    for code, cpu in (("a4", Cpu(rsi=1 << 63)), ("aa", Cpu(rdi=1 << 63)), ("36ac", Cpu(rsi=1 << 63))):
        with pytest.raises(GeneralProtection):
            step(Everywhere(), cpu, code)
    cpu = Cpu(32, edi=0xFE, ecx=4)
    cpu.limits = [0xFF] * 6
    for ram in (Ram(0x200), Device(0x200)):
        here = cpu.copy()
        with pytest.raises(GeneralProtection, match="1 bytes at es:0x100 lie beyond the limit 0xff"):
            step(ram, here, "f3aa")
        assert (here.ecx, here.edi) == (2, 0x100)
    cpu.esi = 0x100
    with pytest.raises(StackFault):
        step(Ram(0x200), cpu, "36ac")


def test_alignment_is_checked_when_asked_for() -> None:
    """With EFLAGS.AC and an emulator that heeds it, each element must be aligned."""
    strict = Emulator(Everywhere(), alignment_check=True)
    strict.step(Cpu(rdi=0x1002, ac=1), b"\x66\xab")
    with pytest.raises(AlignmentCheck):
        strict.step(Cpu(rdi=0x1002, ac=1), b"\xab")
    strict.step(Cpu(rdi=0x1002), b"\xab")


def test_a_bounded_step_says_that_it_is_not_done() -> None:
    """After `max_iterations` elements RIP is still at the instruction and `pending` says why."""
    emulator = Emulator(Ram(16), max_iterations=3)
    cpu = Cpu(rcx=5, rip=0x1000)
    emulator.step(cpu, b"\xf3\xaa")
    assert (cpu.rcx, cpu.rdi, cpu.rip, cpu.pending) == (2, 3, 0x1000, "iterations")
    emulator.step(cpu, b"\xf3\xaa")
    assert (cpu.rcx, cpu.rdi, cpu.rip, cpu.pending) == (0, 5, 0x1002, "")


# --- blocks ---------------------------------------------------------------------------------------------------------


@given(
    code=st.sampled_from(["f3a4", "f366a5", "f3a5", "f348a5", "f3aa", "f366ab", "f3ab", "f348ab"]),
    bits=st.sampled_from([16, 32, 64]),
    source=st.integers(0, 70),
    destination=st.integers(0, 70),
    count=st.integers(0, 24),
    down=st.booleans(),
    base=st.sampled_from([0, 0x1000 - 40, 0xFFE0]),
)
def test_blocks_equal_elements(
    code: str, bits: int, source: int, destination: int, count: int, down: bool, base: int
) -> None:
    """Plain memory, where blocks are moved, ends as a device does, however the ends overlap or are cut."""
    if bits != 64 and "48" in code:
        code = code.replace("48", "")
    contents = bytes(i * 167 & 0xFF for i in range(64))
    outcomes = []
    for bus in (Ram(contents, base), Device(contents, base)):
        cpu = Cpu(
            bits, protected=True, esi=base + source, edi=base + destination, ecx=count, eax=0x44332211, df=int(down)
        )
        try:
            step(bus, cpu, code)
            fault = None
        except PageFault as error:
            fault = error.address, error.error_code
        outcomes.append((cpu, bytes(bus.data), fault))
    assert outcomes[0] == outcomes[1]


def test_a_wild_count_ends_at_the_first_fault() -> None:
    """A count of 2**60 takes neither memory nor time: what is there is filled, then it faults."""
    ram = Ram(0x180000)
    cpu = Cpu(rcx=1 << 60, al=7)
    with pytest.raises(PageFault) as caught:
        step(ram, cpu, "f3aa")
    assert caught.value.address == cpu.rdi == 0x180000
    assert set(ram.data) == {7}


def test_blocks_go_in_one_piece() -> None:
    """On plain memory a REP MOVS is one read and one write of a block."""

    class Counting(Ram):
        blocks: list[tuple[str, int, int]]

        def read_block(self, address: int, length: int) -> bytes:
            self.blocks = [("read", address, length)]
            return super().read_block(address, length)

        def write_block(self, address: int, data: bytes) -> bool:
            self.blocks.append(("write", address, len(data)))
            return super().write_block(address, data)

    ram = Counting(0x5000)
    step(ram, Cpu(rsi=0x10, rdi=0x2010, rcx=0x400), "f348a5")
    assert ram.blocks == [("read", 0x10, 0x2000), ("write", 0x2010, 0x2000)]


def test_blocks_stop_where_linear_addresses_wrap() -> None:
    """In 32-bit code with a segment base the linear address wraps at 4 GiB, in the middle of a REP."""
    outcomes = []
    for bus in (Ram(0x20, base=0), Device(0x20, base=0)):
        cpu = Cpu(32, edi=0xFFFFFFF0, ecx=4, es_base=0x12, al=9)
        step(bus, cpu, "f3aa")
        outcomes.append((cpu, bytes(bus.data)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][1][:6] == b"\0\0\x09\x09\x09\x09"
