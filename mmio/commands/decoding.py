"""`pagetrap decode`: disassembly, accesses and support of instructions."""

import argparse
from collections.abc import Iterator
from typing import Final

from decode import DecodeError, Instruction, MemoryAccess, PortAccess, PortOperand, decode
from mmio.commands.parser import Commands, Example, UsageError, declare
from mmio.commands.standard import INPUT, read_input

_EXAMPLES: Final = (
    Example("a load: what does it touch, and how wide?", "pagetrap decode 8b4710"),
    Example("several instructions, in 16-bit code", "pagetrap decode --bits 16 f3 66 6d e6 70"),
    Example("bytes from a file or another program", "echo '8b 47 10  ; a load' | pagetrap decode -"),
)


def add(commands: Commands) -> None:
    """Declare the subcommand."""
    command = declare(
        commands,
        "decode",
        _decode,
        "Decode x86 machine code: each instruction with its bytes, its operands, the memory and port accesses it "
        "makes, in order, and its support: emulated, native (executed natively when a real program is traced; not "
        "available from Emulator.step), or refused. Widths are in bytes.",
        _EXAMPLES,
        ("Exit status: 0, 1 when the bytes are no instruction, 2 when the command line is wrong.",),
    )
    command.add_argument(
        "code",
        metavar="HEX",
        nargs="+",
        help="the bytes: 8b4710, '8b 47 10', 0x8b,0x47 or \\x8b\\x47; - reads them from standard input, a listing "
        "a line, where a ; or # begins a remark",
    )
    command.add_argument(
        "--bits", type=int, choices=(16, 32, 64), default=64, help="the mode the code runs in (default: 64)"
    )


def _decode(options: argparse.Namespace) -> int:
    """Print every instruction of the given bytes, up to the first that is not one."""
    if "-" in options.code and len(options.code) > 1:
        raise UsageError("expected either bytes or - for standard input, got both")
    if options.code == ["-"]:
        # What is no text is no hexadecimal digit either, and is quoted in the complaint.
        lines = read_input().decode(errors="backslashreplace").splitlines()
        code = b"".join(_bytes(line, f"line {number} of {INPUT}: ") for number, line in enumerate(lines, 1))
    else:
        code = b"".join(map(_bytes, options.code))
    if not code:
        where = f" in {INPUT}" if options.code == ["-"] else ""
        raise ValueError(f"expected the bytes of an instruction in hexadecimal, such as 8b4710, got none{where}")
    at = 0
    while at < len(code):
        try:
            instruction = decode(code[at:], bits=options.bits)
        except DecodeError as error:
            raise ValueError(f"offset {at:#x}: {error}" if at else str(error)) from None
        print("\n".join(_describe(instruction, at)))
        at += instruction.length
    return 0


def _bytes(line: str, place: str = "") -> bytes:
    """Return the bytes that a piece of text spells in hexadecimal.

    Raises:
        UsageError: it is not hexadecimal; the message begins with the place.
    """
    text = line.partition("#")[0].partition(";")[0].strip()
    digits = text.replace("0x", "").replace("\\x", "").replace(",", " ")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise UsageError(f"{place}expected an even number of hexadecimal digits, got {_short(text)}") from None


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _describe(instruction: Instruction, at: int) -> Iterator[str]:
    """One line for the instruction as it reads at address `at`, and one for each thing to say of it."""
    from emulate.coverage import fate_of  # here, for it loads the emulator, which no other command needs

    yield f"{instruction.format(ip=at)}    ({instruction.code.hex(' ')})"
    size = f"{instruction.length} byte{'s'[: instruction.length != 1]}"
    yield f"  form       {instruction.form}, {instruction.encoding}, {instruction.bits}-bit code, {size}"
    for operand in instruction.operands:
        kind = type(operand).__name__.removesuffix("Operand").lower()
        yield f"  {kind:<10} {operand!s:<20} {operand.width:>3}  {_verb(operand.direction.name)}"
    for access in instruction.accesses:
        yield "  " + _describe_access(access)
    fate, why = fate_of(instruction)
    yield f"  {fate:<10} {why}"


def _describe_access(access: MemoryAccess | PortAccess) -> str:
    place = f"port {access.operand}" if isinstance(access.operand, PortOperand) else f"memory {access.operand}"
    text = f"accesses   {place:<20} {access.width:>3}  {_verb(access.direction.name)}"
    if isinstance(access, MemoryAccess) and access.selector is not None:
        text += f", elements of {access.element} chosen by {access.selector}"
    if access.repeats:
        text += ", for each repetition"
    return text


def _verb(direction: str) -> str:
    return {"NONE": "address only", "READ_WRITE": "read, write"}.get(direction, direction.lower())
