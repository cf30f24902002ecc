"""SSE, AVX and AVX-512 arithmetic on the lowest element: single and double precision.

The numbers are `emulate.softfloat`'s business. What is here is where operands come from and where results go: legacy
SSE and the unused part of the first source keep the rest of a register, an opmask may call the whole operation off,
and what happened is noted in MXCSR before anything else changes.
"""

from collections.abc import Callable
from typing import Final

from decode.operands import RegisterOperand
from emulate import masking, softfloat
from emulate.builder import Builder
from emulate.cpu import RegisterFile
from emulate.faults import SimdFault
from emulate.flags import AF, CF, OF, PF, SF, WORD, ZF
from emulate.recipes import recipe
from emulate.softfloat import DE, DOUBLE, IE, MASKS, ROUNDING, SINGLE, ZE, Format, Result

_EXCEPTIONS: Final = 0x3F
_BEFORE: Final = IE | DE | ZE
"""Exceptions found before anything is computed: one that is not masked keeps the others from being found."""

_FORMATS: Final = {"ss": SINGLE, "sd": DOUBLE}
_ARITHMETIC: Final[dict[str, Callable[[int, int, Format, int], Result]]] = {
    "add": softfloat.add,
    "sub": softfloat.subtract,
    "mul": softfloat.multiply,
    "div": softfloat.divide,
    "min": softfloat.minimum,
    "max": softfloat.maximum,
}
_ORDERS: Final = {None: ZF | PF | CF, -1: CF, 0: ZF, 1: 0}


@recipe(*(f"{v}{name}{kind}" for v in ("", "v") for name in _ARITHMETIC for kind in _FORMATS))
def arithmetic(b: Builder) -> None:
    """Compute the lowest element from those of both sources."""
    name = b.instruction.mnemonic.removeprefix("v")
    format, source = _format(b, name[-2:]), b.instruction.operands[-1]
    first = b.read(b.instruction.operands[-2], _width(name[-2:]))
    second = masking.read(b, source, _width(name[-2:]))
    _write_lowest(b, name[-2:], b.call(_ARITHMETIC[name[:-2]], first, second, format, _control(b)))


@recipe(*(f"{v}sqrt{kind}" for v in ("", "v") for kind in _FORMATS))
def square_root(b: Builder) -> None:
    """Compute the root of the lowest element of the last source."""
    kind = b.instruction.mnemonic[-2:]
    value = masking.read(b, b.instruction.operands[-1], _width(kind))
    _write_lowest(b, kind, b.call(softfloat.square_root, value, _format(b, kind), _control(b)))


@recipe(*(f"{v}cvt{names}" for v in ("", "v") for names in ("ss2sd", "sd2ss")))
def convert(b: Builder) -> None:
    """Convert the lowest element of the last source to the other precision."""
    name = b.instruction.mnemonic
    before, after = name[-5:-3], name[-2:]
    value = masking.read(b, b.instruction.operands[-1], _width(before))
    call = b.call(softfloat.convert, value, _format(b, before), _format(b, after), _control(b))
    _write_lowest(b, after, call)


@recipe(*(f"{v}cvtsi2{kind}" for v in ("", "v") for kind in _FORMATS))
def convert_from_integer(b: Builder) -> None:
    """Convert a signed integer to the lowest element."""
    kind, source = b.instruction.mnemonic[-2:], b.instruction.operands[-1]
    call = b.call(softfloat.from_integer, b.read(source), source.width, _format(b, kind), _control(b))
    _write_lowest(b, kind, call)


@recipe(*(f"{v}cvt{t}{kind}2si" for v in ("", "v") for t in ("", "t") for kind in _FORMATS))
def convert_to_integer(b: Builder) -> None:
    """Convert the lowest element to a signed integer, rounded, or chopped in the forms with a second T."""
    destination, source = b.instruction.operands
    kind = b.instruction.mnemonic[-5:-3]
    function = softfloat.to_integer_chopped if "cvtt" in b.instruction.mnemonic else softfloat.to_integer
    value = b.read(source, _width(kind))
    b.write(destination, _noted(b, b.call(function, value, _format(b, kind), destination.width, _control(b))))


@recipe(*(f"{v}{name}{kind}" for v in ("", "v") for name in ("comi", "ucomi") for kind in _FORMATS))
def comparison(b: Builder) -> None:
    """Compare the lowest elements: ZF for equal, CF for less, both and PF for unordered, the other flags cleared."""
    kind = b.instruction.mnemonic[-2:]
    first, second = (b.read(operand, _width(kind)) for operand in b.instruction.operands)
    quiet = f"quiet={'ucomi' in b.instruction.mnemonic}"
    order = _noted(b, b.call(softfloat.compare, first, second, _format(b, kind), _control(b), quiet))
    status = ZF | PF | CF | OF | SF | AF
    b.set_flags(f"{b.flags} & {WORD ^ status:#x} | {b.bind(_ORDERS, 'orders')}[{order}]")


def _width(kind: str) -> int:
    """Return the bytes of an element whose kind ends a mnemonic."""
    return _FORMATS[kind].width


def _format(b: Builder, kind: str) -> str:
    """Return the expression of the format of a kind of element."""
    return b.bind(_FORMATS[kind], kind)


def _control(b: Builder) -> str:
    """Return the expression of MXCSR, or of what embedded rounding makes of it: all exceptions are masked."""
    rounding = b.instruction.rounding
    if rounding is None:
        return "cpu.mxcsr"
    fixed = _EXCEPTIONS << MASKS | rounding << ROUNDING
    return f"(cpu.mxcsr & {0xFFFF ^ _EXCEPTIONS << MASKS ^ 3 << ROUNDING:#x} | {fixed:#x})"


def _noted(b: Builder, call: str) -> str:
    """Evaluate an operation and note its exceptions; return the name of the result."""
    result, flags = b.name("t"), b.name("f")
    b.act(f"{result}, {flags} = {call}")
    if b.instruction.rounding is None:
        b.act(f"if {flags}: {b.call(note, 'cpu', flags)}")
    return result


def _write_lowest(b: Builder, kind: str, call: str) -> None:
    """Write the lowest element, under the opmask, and the others of the first source."""
    destination, rest = b.instruction.operands[0], b.instruction.operands[-2]
    assert isinstance(destination, RegisterOperand)
    low = (1 << 8 * _width(kind)) - 1
    if b.instruction.opmask is not None:
        old = "0" if b.instruction.zeroing else b.register(destination.register, _width(kind))
        call = f"{call} if {masking.opmask_bits(b, 1)} else ({old}, 0)"
    result = _noted(b, call)
    b.write(destination, f"{b.read(rest)} & {destination.register.mask ^ low:#x} | {result}")


def note(cpu: RegisterFile, flags: int) -> None:
    """Set exceptions in MXCSR; raise #XM when one of them is not masked."""
    masks = cpu.mxcsr >> MASKS
    if flags & ~masks & _BEFORE:
        flags &= _BEFORE
    cpu.mxcsr |= flags
    if flags & ~masks:
        raise SimdFault(cpu.mxcsr & ~masks & _EXCEPTIONS, cpu.mxcsr)
