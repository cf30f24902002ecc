"""The decoder, the emulator and the address space in a program of your own."""

from typing import Final

from tests.mistakes.mistake import Mistake


def _step(code: str) -> str:
    return f'from emulate import Cpu, Emulator, Ram\nEmulator(Ram(0x1000)).step(Cpu(), bytes.fromhex("{code}"))\n'


def _bus(answer: str) -> str:
    return f"""\
from emulate import Cpu, Emulator

class Bus:
    def read(self, address, width): return {answer}
    def write(self, address, width, value): pass
    def port_read(self, port, width): return 0
    def port_write(self, port, width, value): pass

Emulator(Bus()).step(Cpu(rip=0x1000, rdi=0xfe000000), bytes.fromhex("8b07"))
"""


_MAPPED: Final = """\
from mmio import AddressSpace
from card import Card
space = AddressSpace()
space.map(0xfe000000, 0x1000, Card())
"""

MISTAKES: Final = (
    Mistake(
        "You step an instruction that is not emulated.",
        _step("0f01d0"),
        ("'xgetbv' is not emulated", "bytes 0f 01 d0, 64-bit code"),
        remedy="see [coverage](coverage.md); execute it by other means",
        symptom="an instruction is not emulated",
    ),
    Mistake(
        "You step floating-point arithmetic.",
        _step("0f5807"),
        (
            "'addps xmm0,[rdi]' is not emulated: floating-point arithmetic",
            "which is executed natively when a real program is traced",
        ),
        remedy="execute the instruction by other means; it is not available from `Emulator.step`",
        symptom="an instruction is not emulated",
    ),
    Mistake(
        "You give fewer bytes than the instruction has.",
        _step("8b"),
        ("TruncatedInstruction: more bytes are needed to end this instruction: 8b (64-bit code)",),
        remedy="pass all bytes of the instruction; 15 are always enough",
    ),
    Mistake(
        "You give bytes of another mode.",
        _step("060000"),
        ("InvalidInstruction: no instruction has this encoding: 06 00 00 (64-bit code)",),
        remark="In 32-bit code, `Cpu(bits=32)`, it is `push es`.",
        remedy="set `bits` of the `Cpu`",
    ),
    Mistake(
        "You pass hexadecimal text in place of bytes.",
        'from decode import decode\ndecode("8b4710")\n',
        ("code is bytes, not str",),
        remedy="`bytes.fromhex(text)`",
    ),
    Mistake(
        "You create a CPU of an invalid size.",
        "from emulate import Cpu\nCpu(bits=48)\n",
        ("bits is 16, 32 or 64, not 48",),
        remedy="use 16, 32 or 64",
    ),
    Mistake(
        "You decode for an invalid mode.",
        'from decode import decode\ndecode(b"\\x90", bits=8)\n',
        ("bits is 16, 32 or 64, not 8",),
        remedy="use 16, 32 or 64",
    ),
    Mistake(
        "You set a register that does not exist.",
        "from emulate import Cpu\nCpu(eaxx=1)\n",
        ("no register is called 'eaxx'; did you mean 'eax'?",),
        remedy="correct the name",
    ),
    Mistake(
        "You read a register that does not exist.",
        "from emulate import Cpu\nprint(Cpu().eaxx)\n",
        ("'Cpu' object has no attribute 'eaxx'",),
        remedy="correct the name",
    ),
    Mistake(
        "You assign to a register that does not exist.",
        "from emulate import Cpu\nCpu().eaxx = 1\n",
        ("'Cpu' object has no attribute 'eaxx'",),
        remedy="correct the name",
    ),
    Mistake(
        "You set a register to a string.",
        "from emulate import Cpu\nCpu(rdi='0x1000')\n",
        ("rdi holds an int, not '0x1000'",),
        remedy="pass an int: `int(text, 0)`",
    ),
    Mistake(
        "You swap the arguments of step.",
        'from emulate import Cpu, Emulator, Ram\nEmulator(Ram(0x1000)).step(b"\\x90", Cpu())\n',
        ("cpu is an emulate.Cpu or another RegisterFile, not bytes",),
        remedy="`step(cpu, code)`",
    ),
    Mistake(
        "You pass bytes to accesses without decoding them.",
        'from decode import accesses\nfrom emulate import Cpu\nprint(accesses(b"\\x8b\\x07", Cpu()))\n',
        ("instruction is an Instruction, as decode returns, not bytes: accesses(decode(code), cpu)",),
        remedy="`accesses(decode(code), cpu)`",
    ),
    Mistake(
        "You filter by a string in place of a number.",
        "import mmio\nprint(mmio.open_trace('run.jsonl').load().filter(width='4'))\n",
        ("width is an int, or a range or set of them, not '4'",),
        remedy="pass an int, a range or a set",
    ),
    Mistake(
        "You pass a path to Replay.",
        "import mmio\nmmio.Replay('run.jsonl')\n",
        ("a replay takes accesses, such as open_trace(path).load(), not 'r'",),
        remedy="pass `mmio.open_trace(path).load()`",
    ),
    Mistake(
        "You attach a plain file to a trace.",
        "import mmio\nmmio.Trace().attach(open('x.jsonl', 'w'))\n",
        ("a sink needs a method write(record), as mmio.writer('run.jsonl') has",),
        remedy="attach `mmio.writer(path)`",
    ),
    Mistake(
        "You misspell the treatment of bad lines.",
        "import mmio\nmmio.open_trace('run.jsonl', on_error='skp')\n",
        ("on_error is 'raise', 'skip' or a function of the error, not 'skp'",),
        remedy='use `"raise"`, `"skip"` or a function',
    ),
    Mistake(
        "You put more into a register than it holds.",
        "from emulate import Cpu\nCpu(al=0x100)\n",
        ("al holds 8 bits, unsigned; 0x100 does not fit",),
        remedy="mask the value, or set the wider register",
    ),
    Mistake(
        "Your bus returns a value wider than the access.",
        _bus("1 << 32"),
        ("the bus answered 4294967296 to a read of 4 bytes at address 0xfe000000", "0..0xffffffff", "mov eax,[rdi]"),
        remedy="mask the answer to `width` bytes",
    ),
    Mistake(
        "Your bus returns nothing.",
        _bus("None"),
        ("the bus answered a read with something that is no int", "in 'mov eax,[rdi]' at ip 0x1000"),
        remedy="return an int in every branch of `read`",
    ),
    Mistake(
        "Your bus has no ports.",
        _step("e470"),
        ("nothing answers at port 0x70 (read, width 1): this bus is plain RAM",),
        remedy="use a bus with `port_read` and `port_write`",
    ),
    Mistake(
        "Your code lies outside the bus's memory.",
        "from emulate import Cpu, Emulator, Ram\nEmulator(Ram(0x1000)).step(Cpu(rip=0x1000))\n",
        ("#PF 1 bytes at 0x1000 lie outside this RAM, 0x0..0x1000",),
        remedy="put the code into the bus's memory, or pass it to `step`",
    ),
    Mistake(
        "You access an address where nothing is mapped.",
        "from mmio import AddressSpace\nAddressSpace().read(0xfe000000, 4)\n",
        ("nothing is mapped at 0xfe000000; read of 4 bytes",),
        remedy="map a device or RAM there",
    ),
    Mistake(
        "You map two devices over each other.",
        f"{_MAPPED}space.map(0xfe000800, 0x1000, Card())\n",
        ("0xfe000800..0xfe001800 'Card' overlaps 0xfe000000..0xfe001000 'Card'", "give it a higher priority"),
        remedy="correct an address, or pass `priority=`",
    ),
    Mistake(
        "You pass an address as a string.",
        "from mmio import AddressSpace\nfrom card import Card\nAddressSpace().map('0xfe000000', 0x1000, Card())\n",
        ("start is an int, not '0xfe000000'",),
        remedy="pass an int",
    ),
    Mistake(
        "You read zero bytes.",
        f"{_MAPPED}space.read(0xfe000000, 0)\n",
        ("width is an int, from 1 up, not 0",),
        remedy="pass a width of at least 1",
    ),
    Mistake(
        "You pass a command line as one string.",
        "import mmio\nmmio.Tracer().spawn('devmem 0xfe000000')\n",
        ("arguments are a list, such as ['devmem', '0x1000'], not 'devmem 0xfe000000': split it",),
        remedy="pass a list of arguments: `shlex.split(text)`",
    ),
    Mistake(
        "You unmap an address where no region starts.",
        f"{_MAPPED}space.unmap(0xfe000800)\n",
        ("no region starts at 0xfe000800",),
        remedy="pass the region's start address",
    ),
    Mistake(
        "You write a value that is wider than the access.",
        f"{_MAPPED}space.write(0xfe000000, 1, 0x100)\n",
        ("value 0x100 does not fit in 1 bytes",),
        remedy="mask the value, or pass a larger width",
    ),
)
