"""Single bits and bit counts: BT BTS BTR BTC, BSF BSR TZCNT LZCNT POPCNT, BMI1, BMI2, CRC32.

What the manual leaves undefined is here as Intel's CPUs have it: BT and its kin leave OF SF AF PF, the others clear
them, but for BSF and BSR, which set PF of their result.
"""

from decode.operands import MemoryOperand, RegisterOperand
from emulate.builder import Builder
from emulate.flags import CF, PARITY, STATUS, ZF, status
from emulate.recipes import Binary, assignment, compare, modify, recipe


def bt(a: int, offset: int, flags: int, width: int) -> tuple[int, int]:
    """Return a, and its bit in CF; the offset counts modulo the width."""
    return a, flags & ~CF | a >> (offset & 8 * width - 1) & 1


def bts(a: int, offset: int, flags: int, width: int) -> tuple[int, int]:
    """Return a with the bit set."""
    return a | 1 << (offset & 8 * width - 1), bt(a, offset, flags, width)[1]


def btr(a: int, offset: int, flags: int, width: int) -> tuple[int, int]:
    """Return a with the bit cleared."""
    return a & ~(1 << (offset & 8 * width - 1)), bt(a, offset, flags, width)[1]


def btc(a: int, offset: int, flags: int, width: int) -> tuple[int, int]:
    """Return a with the bit inverted."""
    return a ^ 1 << (offset & 8 * width - 1), bt(a, offset, flags, width)[1]


_BIT_TESTS: dict[str, Binary] = {"bt": bt, "bts": bts, "btr": btr, "btc": btc}


@recipe(*_BIT_TESTS)
def bit_test(b: Builder) -> None:
    """Test a bit and change it, at the address the bit offset leads to."""
    destination, offset = b.instruction.operands
    if isinstance(destination, MemoryOperand) and isinstance(offset, RegisterOperand):
        # A register offset is signed and may lead 2**60 bytes away; the element it lies in is accessed, at the address
        # size (SDM vol. 2A, BT and table 3-1).
        half = 1 << 8 * offset.width - 1
        element = f"((({b.read(offset)} ^ {half:#x}) - {half:#x}) >> {(8 * offset.width).bit_length() - 1})"
        b.address(destination, extra=f"{element} * {offset.width}")
    function = _BIT_TESTS[b.instruction.mnemonic]
    if function is bt:
        compare(b, function)
    else:
        modify(b, function)


def bsf(a: int, flags: int) -> tuple[int, int]:
    """Return the number of the lowest set bit, and the flags; 0 when there is none."""
    lowest = (a & -a).bit_length() - 1 if a else 0
    return lowest, flags & ~STATUS | PARITY[lowest] | (0 if a else ZF)


def bsr(a: int, flags: int) -> tuple[int, int]:
    """Return the number of the highest set bit, and the flags; 0 when there is none."""
    highest = a.bit_length() - 1 if a else 0
    return highest, flags & ~STATUS | PARITY[highest] | (0 if a else ZF)


@recipe("bsf", "bsr")
def bit_scan(b: Builder) -> None:
    """Write the number of a bit; a source of zero leaves the destination alone, its upper half too."""
    destination, source = b.instruction.operands
    assert isinstance(destination, RegisterOperand)
    number, flags = b.name("t"), b.name("f")
    value = b.read(source)
    b.act(f"{number}, {flags} = {b.call(bsf if b.instruction.mnemonic == 'bsf' else bsr, value, b.flags)}")
    b.write(destination, f"({number} if {value} else {b.unchanged(destination.register)})")
    b.set_flags(flags)


def _counted(count: int, carry: bool, flags: int) -> tuple[int, int]:
    """Return a count and its flags: ZF of the count, CF as given."""
    return count, flags & ~STATUS | (0 if count else ZF) | (CF if carry else 0)


@assignment("tzcnt")
def tzcnt(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return the number of zero bits below the lowest set one, all of them when there is none."""
    return _counted((a & -a).bit_length() - 1 if a else 8 * width, not a, flags)


@assignment("lzcnt")
def lzcnt(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return the number of zero bits above the highest set one, all of them when there is none."""
    return _counted(8 * width - a.bit_length(), not a, flags)


@assignment("popcnt")
def popcnt(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return the number of set bits; ZF tells that there is none, the other flags are cleared."""
    return a.bit_count(), flags & ~STATUS | (0 if a else ZF)


def _masked(result: int, carry: bool, flags: int, width: int) -> tuple[int, int]:
    """Return a result with SF and ZF of it, CF as given, OF cleared."""
    return result, flags & ~STATUS | status(result, width) & ~PARITY[0] | (CF if carry else 0)


@assignment("andn")
def andn(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
    """Return b without the bits of a."""
    return _masked(b & ~a, False, flags, width)


@assignment("blsi")
def blsi(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return the lowest set bit alone; CF tells that there is one."""
    return _masked(a & -a, a != 0, flags, width)


@assignment("blsr")
def blsr(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return a without its lowest set bit; CF tells that it has none."""
    return _masked(a & a - 1 if a else 0, a == 0, flags, width)


@assignment("blsmsk")
def blsmsk(a: int, flags: int, width: int) -> tuple[int, int]:
    """Return ones up to the lowest set bit, it included; CF tells that there is none, then all bits are ones."""
    return _masked((a ^ a - 1) & (1 << 8 * width) - 1, a == 0, flags, width)


@assignment("bextr")
def bextr(a: int, control: int, flags: int, width: int) -> tuple[int, int]:
    """Return as many bits of a as the second byte of `control` says, from the one its first byte says."""
    result = a >> (control & 0xFF) & (1 << (control >> 8 & 0xFF)) - 1
    return result, flags & ~STATUS | (0 if result else ZF)


@assignment("bzhi")
def bzhi(a: int, index: int, flags: int, width: int) -> tuple[int, int]:
    """Return the lowest bits of a, as many as the low byte of `index` says; CF tells that it asks for more."""
    index &= 0xFF
    return _masked(a & (1 << index) - 1, index >= 8 * width, flags, width)


@assignment("pdep")
def pdep(a: int, mask: int, flags: int, width: int) -> tuple[int, int]:
    """Return the low bits of a, spread over the set bits of the mask."""
    result = 0
    while mask:
        lowest = mask & -mask
        if a & 1:
            result |= lowest
        a >>= 1
        mask ^= lowest
    return result, flags


@assignment("pext")
def pext(a: int, mask: int, flags: int, width: int) -> tuple[int, int]:
    """Return the bits of a that the mask has set, packed together."""
    result, place = 0, 1
    while mask:
        lowest = mask & -mask
        if a & lowest:
            result |= place
        place <<= 1
        mask ^= lowest
    return result, flags


_CASTAGNOLI = 0x82F63B78
"""The polynomial 11EDC6F41h, bits reflected, as the instruction uses it (SDM vol. 2A, CRC32)."""


def crc32(checksum: int, data: int, width: int) -> int:
    """Return the CRC-32C after `width` more bytes."""
    checksum ^= data
    for _ in range(8 * width):
        checksum = checksum >> 1 ^ (_CASTAGNOLI if checksum & 1 else 0)
    return checksum


@recipe("crc32")
def accumulate_crc32(b: Builder) -> None:
    """Accumulate the source into the 32-bit checksum; a 64-bit destination is zero-extended."""
    destination, source = b.instruction.operands
    b.write(destination, b.call(crc32, b.read(destination, 4), b.read(source), source.width))
