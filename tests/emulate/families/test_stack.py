"""PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE."""

import pytest

from decode import accesses, decode
from emulate import Cpu, GeneralProtection, StackFault, UnsupportedInstruction
from emulate.families.stack import popped_flags
from emulate.flags import AC, CF, DF, ID, IF, IOPL, NT, RF, STATUS, TF, VM
from tests.emulate.everywhere import Everywhere, Interrupted
from tests.emulate.families.executing import execute, reads, refused, word, writes

TOP = 0x8000


@pytest.mark.parametrize(
    ("bits", "code", "width", "value"),
    [
        (64, "50", 8, 0x1122334455667788),  # push rax
        (64, "6650", 2, 0x7788),
        (64, "6a80", 8, 0xFFFFFFFFFFFFFF80),
        (64, "666a80", 2, 0xFF80),
        (64, "68ffffff7f", 8, 0x7FFFFFFF),
        (64, "54", 8, TOP),  # push rsp: the old pointer
        (64, "0fa0", 8, 0x33),  # push fs
        (32, "50", 4, 0x55667788),
        (32, "6650", 2, 0x7788),
        (16, "50", 2, 0x7788),
        (16, "6650", 4, 0x55667788),
        (16, "06", 2, 0x2B),  # push es
    ],
)
def test_push(bits: int, code: str, width: int, value: int) -> None:
    """One write below the top, the operand size wide; the pointer moves by as much."""
    cpu = Cpu(bits, rsp=TOP, rax=0x1122334455667788, protected=True, es=0x2B, fs=0x33)
    assert execute(code, cpu) == [writes(TOP - width, width, value)]
    assert cpu.rsp == TOP - width


def test_a_selector_pushed_with_32_bit_operands_leaves_half_the_slot() -> None:
    """Two bytes are written and the pointer moves by four (SDM vol. 2B, PUSH)."""
    cpu = Cpu(32, rsp=TOP, es=0x2B)
    assert execute("06", cpu) == [writes(TOP - 4, 2, 0x2B)]
    assert cpu.esp == TOP - 4


def test_push_reads_memory_before_it_writes_the_stack() -> None:
    """An address made with RSP is that before the push."""
    cpu = Cpu(rsp=TOP)
    touches = execute("ff742408", cpu, {TOP + 8: word(7, 8)})  # push qword [rsp+8]
    assert touches == [reads(TOP + 8, 8, 7), writes(TOP - 8, 8, 7)]


@pytest.mark.parametrize(
    ("bits", "code", "width", "name", "value"),
    [
        (64, "59", 8, "rcx", 0x8877665544332211),
        (64, "6659", 2, "rcx", 0xCCCCCCCCCCCC2211),
        (32, "59", 4, "rcx", 0x44332211),
        (16, "59", 2, "rcx", 0xCCCCCCCCCCCC2211),
        (16, "6659", 4, "rcx", 0x44332211),
    ],
)
def test_pop(bits: int, code: str, width: int, name: str, value: int) -> None:
    """One read at the top; the register is merged or cleared as by any other write."""
    cpu = Cpu(bits, rsp=TOP, rcx=0xCCCCCCCCCCCCCCCC)
    touches = execute(code, cpu, {TOP: bytes.fromhex("1122334455667788")})
    assert [(t.address, t.width) for t in touches] == [(TOP, width)]
    assert (getattr(cpu, name), cpu.rsp) == (value, TOP + width)


def test_pop_into_the_pointer_wins_over_its_increment() -> None:
    """POP RSP loads it; POP SP merges into the pointer that has moved."""
    cpu = Cpu(rsp=0x1FFFE)
    execute("5c", cpu, {0x1FFFE: word(0x12345678, 8)})
    assert cpu.rsp == 0x12345678
    cpu = Cpu(rsp=0x1FFFE)
    execute("665c", cpu, {0x1FFFE: word(0x1234, 2)})
    assert cpu.rsp == 0x21234


@pytest.mark.parametrize(
    ("code", "address", "width"),
    [
        ("8f0424", TOP + 8, 8),  # pop qword [rsp]
        ("8f4424f8", TOP, 8),
        ("668f0424", TOP + 2, 2),
        ("8f04cc", TOP + 8 + 0x80, 8),  # pop qword [rsp+rcx*8]
        ("8f07", 0x1000, 8),  # pop qword [rdi]
    ],
)
def test_pop_to_memory_counts_from_the_moved_pointer(code: str, address: int, width: int) -> None:
    """The stack is read first; an address made with RSP is that after the increment (SDM vol. 2B, POP)."""
    cpu = Cpu(rsp=TOP, rdi=0x1000, rcx=0x10)
    assert execute(code, cpu, {TOP: word(5, 8)}) == [reads(TOP, width, 5), writes(address, width, 5)]
    assert cpu.rsp == TOP + width


def test_pop_of_a_segment_register_loads_its_base() -> None:
    """In real mode the base is sixteen times the selector; in protected mode the plain Cpu has none to give."""
    cpu = Cpu(16, rsp=TOP)
    execute("1f", cpu, {TOP: word(0x1234, 2)})
    assert (cpu.ds, cpu.ds_base, cpu.sp) == (0x1234, 0x12340, TOP + 2)
    cpu = Cpu(32, rsp=TOP)
    before = cpu.copy()
    with pytest.raises(UnsupportedInstruction, match="descriptor table"):
        execute("1f", cpu)
    assert cpu == before


@pytest.mark.parametrize(("code", "width"), [("60", 4), ("6660", 2)])
def test_pusha_pushes_all_eight_and_popa_takes_seven_back(code: str, width: int) -> None:
    """In the order of their numbers, the old stack pointer among them, which POPA reads and does not use."""
    values = [0x11110001, 0x22220002, 0x33330003, 0x44440004, TOP, 0x66660006, 0x77770007, 0x88880008]
    cpu = Cpu(32)
    cpu.regs[:8] = values
    mask = (1 << 8 * width) - 1
    pushed = execute(code, cpu)
    assert pushed == [writes(TOP - (i + 1) * width, width, value & mask) for i, value in enumerate(values)]
    assert cpu.esp == TOP - 8 * width
    bus, cpu = Everywhere(), Cpu(32, rsp=cpu.esp)
    for touch in pushed:
        bus.write(touch.address, width, touch.value)
    bus.log.clear()
    bus.values.clear()
    popped = execute(code.replace("60", "61") if width == 4 else "6661", cpu, bus=bus)
    assert popped == [reads(touch.address, width, touch.value) for touch in reversed(pushed)]
    assert cpu.regs[:8] == [value & mask if i != 4 else TOP for i, value in enumerate(values)]


def test_a_pusha_interrupted_half_way_leaves_the_registers() -> None:
    """The pointer moves only at the end."""
    cpu = Cpu(32, rsp=TOP)
    with pytest.raises(Interrupted):
        execute("60", cpu, bus=Everywhere(fail_at=3))
    assert cpu == Cpu(32, rsp=TOP)


@pytest.mark.parametrize(
    ("bits", "code", "width", "image"),
    [(64, "9c", 8, 0x40AD7), (64, "669c", 2, 0xAD7), (32, "9c", 4, 0x40AD7), (16, "9c", 2, 0xAD7)],
)
def test_pushf_clears_vm_and_rf_in_the_image(bits: int, code: str, width: int, image: int) -> None:
    """Whatever else is set is stored."""
    cpu = Cpu(bits, rsp=TOP, rflags=0x40AD7 | VM | RF)
    assert execute(code, cpu) == [writes(TOP - width, width, image)]


def test_popf_changes_what_a_user_program_may() -> None:
    """At privilege level 3 IF and IOPL stay, silently; reserved bits are never set."""
    cpu = Cpu(rsp=TOP, rflags=IF | CF | RF | 2)
    assert execute("9d", cpu, {TOP: word((1 << 64) - 1 & ~IF & ~CF, 8)}) == [reads(TOP, 8, (1 << 64) - 1 & ~IF & ~CF)]
    assert cpu.rflags == STATUS & ~CF | TF | IF | DF | NT | AC | ID | 2


@pytest.mark.parametrize(
    ("width", "protected", "flags"),
    [
        (4, True, STATUS | TF | DF | NT | AC | ID),
        (2, True, STATUS | TF | DF | NT),
        (2, False, STATUS | TF | DF | NT | IF | IOPL),
        (4, False, STATUS | TF | DF | NT | IF | IOPL | AC | ID),
    ],
)
def test_real_mode_may_change_interrupts_as_well(width: int, protected: bool, flags: int) -> None:
    """16-bit forms change no flag above bit 15."""
    assert popped_flags(0xFFFFFFFF, 2, width, protected) == flags | 2
    assert popped_flags(0, 0xFFFFFFFF & ~RF, width, protected) == 0xFFFFFFFF & ~RF & ~flags


def test_enter_makes_a_plain_frame() -> None:
    """ENTER 10h,0 pushes RBP, points it to the slot and makes room."""
    cpu = Cpu(rsp=TOP, rbp=0x1234)
    assert execute("c8100000", cpu) == [writes(TOP - 8, 8, 0x1234)]
    assert (cpu.rbp, cpu.rsp) == (TOP - 8, TOP - 0x18)


@pytest.mark.parametrize("level", [3, 35])
def test_enter_copies_the_frame_pointers_outside(level: int) -> None:
    """Levels count modulo 32: each outer frame pointer is read below RBP and pushed, then the new one."""
    cpu = Cpu(rsp=TOP, rbp=0x9000)
    touches = execute(f"c81000{level:02x}", cpu, {0x8FF8: word(0xAAA, 8), 0x8FF0: word(0xBBB, 8)})
    assert touches == [
        writes(TOP - 8, 8, 0x9000),
        reads(0x8FF8, 8, 0xAAA),
        writes(TOP - 16, 8, 0xAAA),
        reads(0x8FF0, 8, 0xBBB),
        writes(TOP - 24, 8, 0xBBB),
        writes(TOP - 32, 8, TOP - 8),
    ]
    assert (cpu.rbp, cpu.rsp) == (TOP - 8, TOP - 32 - 0x10)


def test_enter_with_16_bit_operands_moves_bp_alone() -> None:
    """The frame pointer's other bits stay, the stack pointer is as wide as the mode has it."""
    cpu = Cpu(32, rsp=0x18000, rbp=0x9000A000)
    assert execute("66c8040001", cpu) == [writes(0x17FFE, 2, 0xA000), writes(0x17FFC, 2, 0x7FFE)]
    assert (cpu.ebp, cpu.esp) == (0x90007FFE, 0x17FF8)


def test_enter_with_32_bit_operands_on_a_16_bit_stack_moves_all_of_ebp() -> None:
    """SP is decremented alone; EBP is pushed whole, and becomes ESP, the half above SP included."""
    cpu = Cpu(16, rsp=0x12348000, rbp=0x9000A000)
    assert execute("66c8040001", cpu) == [writes(0x7FFC, 4, 0x9000A000), writes(0x7FF8, 4, 0x12347FFC)]
    assert (cpu.ebp, cpu.esp) == (0x12347FFC, 0x12347FF4)


def test_enter_must_end_within_the_stack_segment() -> None:
    """#SS comes before the first write."""
    cpu = Cpu(16, rsp=0x10)
    cpu.limits = [0xFFFF] * 6
    assert refused(StackFault, "c80f0000", cpu).log == []


@pytest.mark.parametrize(
    ("bits", "code", "width", "rbp"),
    [(64, "c9", 8, 0x8877665544332211), (64, "66c9", 2, 0x92211), (32, "c9", 4, 0x44332211), (16, "c9", 2, 0x92211)],
)
def test_leave_takes_the_pointer_from_the_frame(bits: int, code: str, width: int, rbp: int) -> None:
    """RSP is RBP, as wide as the stack; RBP is popped from there."""
    cpu = Cpu(bits, rsp=0x5678, rbp=0x9A000)
    at = 0xA000 if bits == 16 else 0x9A000
    touches = execute(code, cpu, {at: bytes.fromhex("1122334455667788")})
    assert [(t.address, t.width) for t in touches] == [(at, width)]
    assert (cpu.rsp, cpu.rbp) == (at + width, rbp)


def test_the_stack_pointer_wraps_at_its_width() -> None:
    """16-bit stacks wrap at 64 KiB: PUSH AX with SP 0 writes at FFFEh; the upper half of ESP stays."""
    cpu = Cpu(16, rsp=0x120000, ss_base=0x30000)
    assert execute("50", cpu) == [writes(0x3FFFE, 2, 0)]
    assert cpu.esp == 0x12FFFE


@pytest.mark.parametrize("code", ["50", "ff37", "9c", "c8000000"])
def test_a_stack_that_is_not_canonical_is_a_stack_fault(code: str) -> None:
    """#SS, not #GP, and before memory is read (SDM vol. 2B, PUSH)."""
    assert refused(StackFault, code, Cpu(rsp=0x800000000008, rdi=0x1000)).log == []


def test_a_destination_that_is_not_canonical_is_known_before_the_stack_is_read() -> None:
    """POP to memory checks both addresses first."""
    assert refused(GeneralProtection, "8f07", Cpu(rsp=TOP, rdi=1 << 47)).log == []


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("prefix", ["", "66"])
@pytest.mark.parametrize("code", ["06", "0e", "16", "1e", "0fa0", "0fa8", "07", "17", "1f", "0fa1", "0fa9"])
def test_pushed_and_popped_selectors_are_accessed_as_decode_says(bits: int, prefix: str, code: str) -> None:
    """Width and place of the slot equal `decode.accesses`, in both modes and operand sizes."""
    cpu = Cpu(bits, rsp=TOP, protected=False)
    expected = accesses(decode(bytes.fromhex(prefix + code), bits), cpu)
    assert [touch[:3] for touch in execute(prefix + code, cpu)] == expected
