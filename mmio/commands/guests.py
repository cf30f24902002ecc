"""Options of `pagetrap boot` and `serve`; `booting.py` executes them."""

import argparse
from typing import Final

from mmio.commands import choosing, where
from mmio.commands.arguments import add_recording, path
from mmio.commands.exits import TROUBLE
from mmio.commands.parser import Commands, Example, Parser, declare

_BOOT: Final = (
    Example(
        "Debian's e1000.ko on a card in Python",
        "pagetrap boot --fetch --live --module e1000 --device examples/guest/e1000.py:Nic -- ip link set eth0 up",
    ),
    Example(
        "a model without PCI numbers, and a module of your own",
        "pagetrap boot --module ./timer.ko --device timer.py:Timer@1234:0001 -- 'cat /proc/interrupts; dmesg | tail'",
    ),
    Example(
        "only what one function of the driver does; the trace goes to a file",
        "pagetrap boot --module e1000 --device nic.py:Nic --ip 'e1000_reset*' -o reset.jsonl",
    ),
)
_SERVE: Final = (
    Example("a card for any QEMU", "pagetrap serve --live --vfio-user /run/nic.sock --pci 8086:100e nic.py:Nic"),
)
_QEMU: Final = (
    "QEMU (10.1 or later) has the card with -device "
    '\'{"driver": "vfio-user-pci", "socket": {"type": "unix", "path": "/run/nic.sock"}}\', and memory that others can '
    "map: "
    "-machine memory-backend=ram -object memory-backend-memfd,id=ram,size=256M,share=on. Only pagetrap boot "
    "records the instruction of an access."
)
_MODEL: Final = (
    "CLASS of FILE.py is made without arguments: a mmio.pci.PciFunction, or a device model, which becomes a card with "
    "one region and needs @VENDOR:DEVICE. It may also be a function that returns either. The file runs as part of "
    "pagetrap: it has your rights."
)
_NEEDED: Final = (
    "It takes QEMU 10.1 or later, a kernel with its modules, a static busybox, and a C compiler for the plugin that "
    "knows the instruction of each access. What is not installed --fetch unpacks into the cache folder "
    "(~/.cache/pagetrap) from Debian's packages; nothing is installed. PAGETRAP_QEMU names a QEMU to use."
)
_EXIT: Final = (
    "Exit status: the command's, 0 when there was none. 2 when the command line is wrong, 125 when pagetrap has "
    "failed, something is missing, or the guest has ended or taken too long."
)
_SERVE_EXIT: Final = "Exit status: 0 when the client has gone. 2 when the command line is wrong, 125 on failure."
_LIVE: Final = (
    "What the command prints goes to standard output; lines of --live, what the kernel says, and the summary to "
    "standard error."
)


def add(commands: Commands) -> None:
    """Declare the subcommands."""
    boot = declare(
        commands,
        "boot",
        _boot,
        "Boot a kernel in QEMU with device models as PCI cards, load drivers, run a command, and record every access "
        "of the drivers: width, value, function, instruction.",
        _BOOT,
        (_MODEL, _NEEDED, _EXIT, _LIVE),
        trouble=TROUBLE,
    )
    boot.add_argument(
        "--device",
        metavar="FILE.py:CLASS@WHERE",
        type=where.card,
        action="append",
        default=[],
        help="a card; @VENDOR:DEVICE, such as @8086:100e, is needed where the class does not say its numbers, and may "
        "be left out where it does. Several may be given",
    )
    boot.add_argument(
        "--module",
        metavar="NAME",
        action="append",
        default=[],
        help="a module to load, with those it depends on; 'e1000 debug=16' for parameters, ./my.ko for a file",
    )
    boot.add_argument(
        "--kernel",
        metavar="FILE",
        type=path,
        help="a bzImage, a Debian package with one, or host for this machine's; Debian's installed or fetched one when "
        "left out",
    )
    boot.add_argument(
        "--fetch",
        action="store_true",
        help="fetch what is missing into the cache folder; without --device nothing else is done",
    )
    boot.add_argument("--memory", metavar="MIB", type=int, default=256, help="of the guest (default: 256)")
    boot.add_argument("--smp", metavar="CPUS", type=int, default=1, help="virtual CPUs, one at a time (default: 1)")
    boot.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=120.0,
        help="how long start and command may take, each (default: 120)",
    )
    boot.add_argument("--kvm", action="store_true", help="use /dev/kvm; then the instruction of an access is not known")
    boot.add_argument(
        "--snapshot",
        action="store_true",
        help="begin with a guest that has booted and loaded its modules, kept in the cache folder (70 MB); it is "
        "booted if there is none yet. The cards are plugged into it",
    )
    boot.add_argument("--gdb", metavar="PORT", type=int, help="wait for a debugger at this TCP port of this machine")
    boot.add_argument("--append", metavar="WORDS", action="append", default=[], help="additional kernel command line")
    boot.add_argument(
        "--qemu-option", metavar="WORD", action="append", default=[], help="additional arguments of QEMU, one word each"
    )
    boot.add_argument(
        "--console",
        metavar="FILE",
        type=path,
        help="write all kernel messages here; without it, they are shown from the loading of drivers on",
    )
    _add_common(boot)
    boot.add_argument(
        "guest_command",
        metavar="COMMAND",
        nargs=argparse.REMAINDER,
        help="for the guest's shell, busybox; a -- before it may be left out. Without one, the drivers are loaded",
    )
    serve = declare(
        commands,
        "serve",
        _serve,
        "Serve a device model as a PCI card to a virtual machine, by the vfio-user protocol, and record every access "
        "to it. It ends when its client goes.",
        _SERVE,
        (_QEMU, _MODEL, _SERVE_EXIT),
        trouble=TROUBLE,
    )
    serve.add_argument("--vfio-user", metavar="SOCKET", type=path, required=True, help="where the client connects")
    serve.add_argument(
        "--pci", metavar="VENDOR:DEVICE", type=where.pci_numbers, help="the card's numbers, where its class has none"
    )
    serve.add_argument("--keep", action="store_true", help="wait for the next client when one has gone, until Ctrl-C")
    _add_common(serve)
    serve.add_argument("model", metavar="FILE.py:CLASS", type=where.card, help="the card")


def _add_common(command: Parser) -> None:
    command.add_argument(
        "--unmapped",
        choices=("ones", "zeros", "error"),
        default="ones",
        help="what answers where the model has no register: ones, as on a PC (the default), zeros, or an error that "
        "ends all; such accesses are counted and summed up",
    )
    command.add_argument("--config", action="store_true", help="record accesses to configuration space, too")
    add_recording(command)
    choosing.add(command)


def _boot(options: argparse.Namespace) -> int:
    from mmio.commands.booting import boot  # here, for loading all of it takes longer than showing a trace

    return boot(options)


def _serve(options: argparse.Namespace) -> int:
    from mmio.commands.booting import serve

    return serve(options)
