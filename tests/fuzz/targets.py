"""What is fuzzed: functions of arbitrary bytes that raise nothing, because everything documented is expected.

Any exception that comes out of one of them is a bug. Each brings inputs to begin with, as no fuzzer guesses a header.
"""

from __future__ import annotations

import contextlib
import io
import random
import shlex
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from decode import DecodeError, decode, iter_accesses
from emulate import Cpu, Emulator, Fault, UnsupportedInstruction
from mmio import DefinitionError, DescriptionError, DescriptionWarning, from_rdl, from_svd, to_rdl
from mmio.commands.main import main
from mmio.formats import TraceFormatError, open_trace
from tests.emulate.everywhere import Everywhere

MODES: Final = (64, 32, 16)
_EXAMPLES: Final = "8b4710 48f7f1 f3a4 f30fa6c0 62f17f486f07 c5f86f07 f00fb117 0fc70f d937 c8100003 66038c 0f38f0c1"
_DESCRIPTIONS: Final = Path(__file__).parents[2] / "examples" / "descriptions"
_JSON: Final = '{"pagetrap":1}\n'
_MMIOTRACE: Final = """VERSION 20070824
MAP 1.000000 1 0xfe000000 0xffffc90000000000 0x1000 0x0 0
R 4 1.000001 1 0xfe000010 0xffffffff 0x0 0
W 2 1.000002 1 0xfe000012 0x1234 0x0 0
UNMAP 1.000003 1 0x0 0
MARK 1.000004 hello
"""


@frozen(slots=True)
class Target:
    """Something to fuzz: a function of arbitrary bytes, and inputs to begin with."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def decoding(data: bytes) -> None:
    """Decode in every mode; what is decoded can be shown, and its accesses resolved."""
    for bits in MODES:
        try:
            instruction = decode(data, bits)
        except DecodeError:
            continue
        instruction.format(0x1000)
        str(instruction)
        for _, access in zip(range(100), iter_accesses(instruction, Cpu(bits)), strict=False):
            tuple(access)


def stepping(data: bytes) -> None:
    """Execute on registers that the first two bytes choose: done, faulted or refused; registers stay in range."""
    source, code = random.Random(data[:2]), data[2:]
    for bits in MODES:
        cpu = Cpu(bits, protected=source.random() < 0.5, fsw=source.getrandbits(16), ftw=source.getrandbits(8))
        cpu.regs[:16] = [source.getrandbits(source.choice((3, 16, 32, 47, 64))) for _ in range(16)]
        cpu.rflags = source.getrandbits(12) & 0xCD5 | 2
        cpu.k[:] = [source.getrandbits(64) for _ in range(8)]
        with contextlib.suppress(DecodeError, Fault, UnsupportedInstruction):
            Emulator(Everywhere(), max_iterations=8).step(cpu, code)
        for words, width in ((cpu.regs, 64), (cpu.vector, 512), (cpu.k, 64), (cpu.x87, 80), (cpu.bases, 64)):
            assert all(0 <= word < 1 << width for word in words), cpu


def reading(data: bytes) -> None:
    """Read a trace file, whatever it holds: a bad line is an error with its number, or is passed over."""
    with tempfile.NamedTemporaryFile(suffix=".trace") as file:
        file.write(data)
        file.flush()
        for on_error in ("raise", "skip"):
            with contextlib.suppress(TraceFormatError):
                len(open_trace(file.name, on_error=on_error).load())


def commanding(data: bytes) -> None:
    """Give `pagetrap decode` arguments: it returns a status or exits as argparse does."""
    text = data.decode(errors="replace")
    try:
        arguments = shlex.split(text)
    except ValueError:
        arguments = text.split()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        with contextlib.suppress(SystemExit):
            assert main(["decode", *arguments]) in (0, 1, 2)
        with contextlib.suppress(SystemExit), tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            main(["show", file.name])


def describing(data: bytes) -> None:
    """Make a device of a description, and write it: or an error says what is wrong with it."""
    with tempfile.NamedTemporaryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", DescriptionWarning)
        file.write(data)
        file.flush()
        with contextlib.suppress(DescriptionError):
            _written(from_svd(file.name, "TIMER"))
        with contextlib.suppress(DescriptionError):
            _written(from_rdl(file.name))


def _written(device: type[Any]) -> None:
    """Write a device as SystemRDL, which has no word for one without registers."""
    with contextlib.suppress(DefinitionError):
        to_rdl(device)


TARGETS: Final = {
    "decoding": Target(decoding, tuple(map(bytes.fromhex, _EXAMPLES.split()))),
    "stepping": Target(stepping, tuple(b"\1\2" + bytes.fromhex(code) for code in _EXAMPLES.split())),
    "reading": Target(reading, (_JSON.encode(), _MMIOTRACE.encode())),
    "describing": Target(describing, tuple(path.read_bytes() for path in sorted(_DESCRIPTIONS.iterdir()))),
    "commanding": Target(commanding, (b"8b4710", b"--bits 16 '8b 07'", _MMIOTRACE.encode())),
}
"""By name."""
