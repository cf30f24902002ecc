"""The command line: `pagetrap`, also `python -m mmio`.

One function a subcommand, and argparse to find it. Results go to standard output, complaints to standard error. Exit
status: 0, 1 when what was asked for cannot be done, 2 when it was asked for wrongly.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from signal import SIGPIPE

from decode import DecodeError, Instruction, MemoryAccess, PortAccess, PortOperand, decode
from mmio.commands import programs, traces
from mmio.coverage import page, table

_EXAMPLES = """\
examples:
  pagetrap trace --map '/dev/uio*' -- ./driver             what does it do to its device?
  pagetrap run --device card.py:Card@/dev/uio0 -- ./driver and now without one
  pagetrap decode 8b4710                      mov eax,[rdi+10h]: what does it touch, and how wide?
  pagetrap decode --bits 16 f3 66 6d e6 70    several instructions, in 16-bit code
  pagetrap show run.jsonl                     what happened to each register, and when
  pagetrap diff vendor.jsonl mine.jsonl       what does my driver do that the vendor's does not?
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `pagetrap` with the given arguments, the process's own by default, and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status = int(options.command(options))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read this (`| head`) has seen enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + SIGPIPE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pagetrap",
        description="Watch or answer the device accesses of unmodified native code.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pagetrap {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser(
        "decode",
        help="show instructions, their operands and the accesses they make",
        description="Decode x86 machine code: each instruction with its bytes, its operands, and the memory and port "
        "accesses it makes, in order. Widths are bytes.",
    )
    command.add_argument("code", metavar="HEX", nargs="+", help="the bytes, such as 8b4710 or '8b 47 10'")
    command.add_argument(
        "--bits", type=int, choices=(16, 32, 64), default=64, help="the mode the code runs in (default: 64)"
    )
    command.set_defaults(command=_decode)

    command = commands.add_parser(
        "coverage",
        help="show what is emulated, and why the rest is not",
        description="List every instruction form that touches memory or a port by what becomes of it: emulated, native "
        "(completed by the CPU itself on a live source), refused, or unread (an encoding of CPUs that are gone).",
    )
    command.add_argument(
        "--by", choices=("feature", "mnemonic", "form"), default="feature", help="what a line stands for"
    )
    command.add_argument("--missing", action="store_true", help="only what is not emulated, with the reasons")
    command.add_argument("--markdown", action="store_true", help="the whole table as docs/coverage.md has it")
    command.set_defaults(command=_coverage)

    programs.add(commands)
    traces.add(commands)
    return parser


def _version() -> str:
    try:
        return version("pagetrap")
    except PackageNotFoundError:
        return "(a source tree that is not installed)"


def _decode(options: argparse.Namespace) -> int:
    """Print every instruction of the given bytes, up to the first that is not one."""
    text = " ".join(options.code)
    try:
        code = bytes.fromhex(text)
    except ValueError:
        return _complain(f"expected an even number of hexadecimal digits, got {text!r}", status=2)
    at = 0
    while at < max(len(code), 1):  # no bytes at all are not an instruction either
        try:
            instruction = decode(code[at:], bits=options.bits)
        except DecodeError as error:
            return _complain(f"offset {at:#x}: {error}" if at else str(error), status=1)
        print("\n".join(_describe(instruction, at)))
        at += instruction.length
    return 0


def _describe(instruction: Instruction, at: int) -> Iterator[str]:
    """One line for the instruction as it reads at address `at`, one for each operand and each access."""
    yield f"{instruction.format(ip=at)}    ({instruction.code.hex(' ')})"
    for operand in instruction.operands:
        kind = type(operand).__name__.removesuffix("Operand").lower()
        yield f"  {kind:<10} {operand!s:<20} {operand.width:>3}  {_verb(operand.direction.name)}"
    for access in instruction.accesses:
        yield "  " + _describe_access(access)


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


def _coverage(options: argparse.Namespace) -> int:
    """Print the table of what is emulated."""
    print(page() if options.markdown else "\n".join(table(options.by, options.missing)))
    return 0


def _complain(problem: str, status: int) -> int:
    print(f"pagetrap: {problem}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
