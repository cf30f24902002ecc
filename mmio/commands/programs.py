"""Options of `pagetrap trace`, `attach` and `run`; `watching.py` executes them."""

import argparse
import re
from typing import Final

from mmio.arguments import shortened
from mmio.commands import choosing, where
from mmio.commands.arguments import add_recording
from mmio.commands.exits import TROUBLE
from mmio.commands.parser import Commands, Example, Parser, declare
from mmio.program.targets import ANSWERS

_TRACE: Final = (
    Example(
        "every access a tool makes to a file it maps",
        "pagetrap trace --live --map '*/regs.bin' -- memtool md -s regs.bin 0x10+0x10",
    ),
    Example(
        "a driver in user space; the trace goes to a file", "pagetrap trace --map '/dev/uio*' -o run.jsonl ./driver"
    ),
    Example("one device in physical memory", "pagetrap trace --map /dev/mem:0xfe000000+0x1000 -- devmem 0xfe000010"),
    Example("the real-time clock at its IO ports", "pagetrap trace --live --ports 0x70-0x71 -- hwclock --directisa -r"),
    Example("addresses of the program itself", "pagetrap trace --range 0x7f0000000000+0x1000 -q --live -- ./program"),
)
_ATTACH: Final = (
    Example("its accesses until Ctrl-C, which detaches from it", "pagetrap attach -p 4711 --map /dev/uio0 --live"),
)
_RUN: Final = (
    Example("a driver without its card", "pagetrap run --device card.py:Card@/dev/uio0 -- ./driver"),
    Example(
        "a card in physical memory",
        "pagetrap run --device card.py:Card@/dev/mem:0xfe000000+0x1000 -- devmem 0xfe000010",
    ),
    Example("firmware, on the chip that it is for", "pagetrap run --live --svd STM32F407.svd -- ./firmware"),
    Example("its tests, with models", "pagetrap run -q --svd STM32F407.svd --board board.py:connect -- ./tests"),
    Example(
        "a transmitter that never gets ready",
        "pagetrap run --device uart.py:Uart@ports:0x3f8+8 --fault 'Uart.LSR stuck THRE=0' -- ./driver",
    ),
    Example(
        "a driver's timeouts, without the waiting",
        "pagetrap run --virtual-time --device card.py:Card@/dev/uio0 -- ./driver",
    ),
    Example("IO ports", "pagetrap run --device cmos.py:Clock@ports:0x70+2 -- hwclock --directisa -r"),
    Example(
        "two devices, and every access as it happens",
        "pagetrap run --live --device a.py:Uart@ports:0x3f8+8 --device a.py:Card@/dev/uio0 -- ./driver",
    ),
)

_PORTS: Final = (
    "--ports takes the capability SYS_RAWIO, and a kernel that is not locked down. What the program may do at ports, "
    "the kernel decides; what it does at those that are not named, or through /dev/port, is not seen. attach has no "
    "--ports: a program that runs already may have the right to its ports, and is then not stopped there. Nor has "
    "--engine=inprocess."
)
_EXIT: Final = (
    "Exit status: the program's. When a signal has ended the program, pagetrap ends itself by the same signal, as "
    "strace does; a shell shows 128 plus its number. 2 when the command line is wrong, 125 when pagetrap has failed, "
    "126 when the program cannot be executed, 127 when there is none of this name."
)
_LIVE: Final = (
    "Lines of --live and the summary go to standard error. They are coloured on a terminal when rich is installed "
    "(pip install 'pagetrap[cli]'); NO_COLOR=1 turns that off."
)
_INTERRUPT: Final = (
    "Ctrl-C is the program's, too: pagetrap waits for it to end and keeps the trace. A second Ctrl-C kills the program."
)
_OWN_ANSWER: Final = (
    "After any of them, ,unmapped=error or ,unmapped=zeros overrides --unmapped for accesses "
    "where this device has no register."
)
_MODEL: Final = (
    "CLASS of FILE.py is made without arguments; read(offset, width) and write(offset, width, value) answer the "
    "program. CLASS may also be a function that returns a device, or a device object, which may then answer at several "
    "places. The file runs as part of pagetrap: it has your rights."
)


def add(commands: Commands) -> None:
    """Declare the subcommands."""
    trace = declare(
        commands,
        "trace",
        _watch,
        "Run a program, follow its threads and children, and record every access to the chosen mappings and IO ports: "
        "width, value, instruction. A summary goes to standard error.",
        _TRACE,
        (_PORTS, _EXIT, _LIVE, _INTERRUPT),
        trouble=TROUBLE,
    )
    _add_targets(trace)
    trace.add_argument(
        "--ports",
        metavar="FIRST-LAST",
        type=where.ports,
        action="append",
        default=[],
        help="trap IO ports of this machine, which takes root; also FIRST+COUNT or PORT",
    )
    _add_engine(trace)
    _add_showing(trace)
    _add_program(trace)

    attach = declare(
        commands,
        "attach",
        _watch,
        "Trace a running process until it ends, or until Ctrl-C detaches from it; then it continues unchanged.",
        _ATTACH,
        (
            "Exit status: 0 when the process has ended. After Ctrl-C pagetrap ends itself by SIGINT, as strace does. 2 "
            "when the command line is wrong, 125 when pagetrap has failed, or may not trace the process.",
            _LIVE,
        ),
        trouble=TROUBLE,
    )
    attach.add_argument(
        "-p",
        "--pid",
        metavar="PID",
        type=_pid,
        action="append",
        required=True,
        help="the process; several may be given",
    )
    _add_targets(attach)
    _add_showing(attach)

    run = declare(
        commands,
        "run",
        _watch,
        "Run a program with device models answering at its mappings and IO ports; iopl and ioperm succeed.",
        _RUN,
        ("WHERE is one of:\n\n" + where.forms(), _OWN_ANSWER, _MODEL, _EXIT, _LIVE, _INTERRUPT),
        trouble=TROUBLE,
    )
    run.add_argument(
        "--device",
        metavar="FILE.py:CLASS@WHERE",
        type=where.device,
        action="append",
        default=[],
        help="what answers, and where; see below. More than one may be given",
    )
    run.add_argument(
        "--svd",
        metavar="FILE",
        help="every peripheral of a CMSIS-SVD file (or SystemRDL, .rdl) at its address, and the core's own; with it, "
        "--device model.py:Uart@USART2 puts a model in the place of one. A program that includes pagetrap_run.h has "
        "its interrupt handlers called",
    )
    run.add_argument(
        "--board",
        metavar="FILE.py:FUNCTION",
        type=where.function,
        help="with --svd: a function that puts models into the chip. It is called with the board, which has `replace`, "
        "`add`, `core` and `clock` as that of mmio.board has, and each peripheral by its name",
    )
    run.add_argument(
        "--fault",
        metavar="FAULT",
        type=where.fault,
        action="append",
        default=[],
        help="make a device misbehave, as in 'USART2.SR stuck TXE=0 after 3 reads': docs/faults.md has the grammar. A "
        "device is named by its class, or as a peripheral of --svd. Several may be given",
    )
    _add_targets(run)
    run.add_argument(
        "--virtual-time",
        action="store_true",
        help="the program's clocks, sleeps and timeouts follow the clock of the models, which advances at once when "
        "the program sleeps: ten seconds of timeout take none. docs/time-and-interrupts.md lists the system calls",
    )
    run.add_argument(
        "--clock",
        metavar="POLICY",
        type=where.policy,
        help="what advances the models' clock besides: still, access:100ns, poll:1us, host, host:10 (default: "
        "access:100ns with --svd, access:1us with --virtual-time, else still)",
    )
    run.add_argument(
        "--unmapped",
        choices=ANSWERS,
        default="ones",
        help="what answers an access where no device does, beside one in its mapping or at another port: ones, as on a "
        "PC (the default), zeros, what this machine has there (real), or the end of the program (error); such accesses "
        "are counted and summed up",
    )
    _add_engine(run)
    _add_showing(run)
    _add_program(run)


def _watch(options: argparse.Namespace) -> int:
    from mmio.commands.watching import watch  # here, for loading the engines takes longer than showing a trace

    return watch(options)


def _pid(text: str) -> int:
    if re.fullmatch(r"0*[1-9]\d{0,9}", text, re.ASCII) and int(text) < 1 << 31:
        return int(text)
    problem = (
        f"expected the number of a process, which pidof and pgrep find by the program's name, got {shortened(text)}"
    )
    raise argparse.ArgumentTypeError(problem)


def _add_targets(command: Parser) -> None:
    command.add_argument(
        "--map",
        metavar="GLOB",
        type=where.part_of_file,
        action="append",
        default=[],
        help="trap mappings of files whose path matches; GLOB:OFFSET+LENGTH for a part of them",
    )
    command.add_argument(
        "--range",
        metavar="START+LENGTH",
        type=where.addresses,
        action="append",
        default=[],
        help="trap addresses of the program, whatever is mapped there",
    )


def _add_engine(command: Parser) -> None:
    command.add_argument(
        "--engine",
        choices=("ptrace", "inprocess"),
        default="ptrace",
        help="ptrace runs the program in a process of its own; inprocess runs it in pagetrap's, several times faster, "
        "for programs that are trusted; its children are served by pagetrap's process (default: ptrace)",
    )
    command.add_argument(
        "--no-patching",
        action="store_true",
        help="with --engine=inprocess: leave the program's instructions as they are; each access costs a signal",
    )


def _add_showing(command: Parser) -> None:
    add_recording(command)
    command.add_argument(
        "-f", "--follow", action="store_true", help="accepted as in strace: children and threads are always followed"
    )
    choosing.add(command)


def _add_program(command: Parser) -> None:
    command.add_argument(
        "program",
        metavar="PROGRAM",
        nargs=argparse.REMAINDER,
        help="the program and its arguments; a -- before it may be left out",
    )
