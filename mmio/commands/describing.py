"""`pagetrap describe`: the registers of a device as tables, a C header, or SVD."""

import argparse
from collections.abc import Callable
from os.path import splitext
from typing import Any, Final

from mmio.commands.arguments import path
from mmio.commands.messages import complain
from mmio.commands.parser import Commands, Example, declare

_EXAMPLES: Final = (
    Example("the datasheet of a model", "pagetrap describe card.py:Card"),
    Example("a header for its driver", "pagetrap describe card.py:Card --format c -o card_registers.h"),
    Example("the same of a peripheral in an SVD file", "pagetrap describe chip.svd:USART2 --format c"),
    Example("a web page of an address map", "pagetrap describe timer.rdl:timer --format html -o timer.html"),
)
_FORMATS: Final = ("markdown", "html", "c", "svd", "rdl")


def add(commands: Commands) -> None:
    """Declare the subcommand."""
    command = declare(
        commands,
        "describe",
        _describe,
        "Write the registers of a device model or of a register description: offsets, fields, access, values at reset, "
        "names of values and effects.",
        _EXAMPLES,
        ("Exit status: 0, 1 when it cannot be done, 2 when the command line is wrong.",),
    )
    command.add_argument(
        "device",
        metavar="DEVICE",
        type=_device,
        help="FILE.py:CLASS, FILE.svd:PERIPHERAL or FILE.rdl:ADDRMAP",
    )
    command.add_argument(
        "--format",
        choices=_FORMATS,
        default="markdown",
        metavar="FORMAT",
        help=f"one of {', '.join(_FORMATS)}; markdown if left out",
    )
    command.add_argument("-o", "--output", metavar="FILE", type=path, help="write it here, and not to standard output")


def _device(text: str) -> tuple[str, str]:
    """Return file and name."""
    file, _, name = text.rpartition(":")
    if not (file and name) or splitext(file)[1].lower() not in _LOADERS:
        known = "FILE.py:CLASS, FILE.svd:PERIPHERAL or FILE.rdl:ADDRMAP"
        raise argparse.ArgumentTypeError(f"expected {known}, got {text!r}")
    return file, name


def _from_python(file: str, name: str) -> type[Any]:
    from mmio.commands.models import load_class

    return load_class(file, name)


def _from_svd(file: str, name: str) -> type[Any]:
    from mmio.descriptions import from_svd

    return from_svd(file, name)


def _from_rdl(file: str, name: str) -> type[Any]:
    from mmio.descriptions import from_rdl

    return from_rdl(file, name)


_LOADERS: Final[dict[str, Callable[[str, str], type[Any]]]] = {
    ".py": _from_python,
    ".svd": _from_svd,
    ".xml": _from_svd,
    ".rdl": _from_rdl,
}


def _describe(options: argparse.Namespace) -> int:
    from mmio.descriptions import to_rdl
    from mmio.documents import document

    file, name = options.device
    device = _LOADERS[splitext(file)[1].lower()](file, name)
    text = to_rdl(device) if options.format == "rdl" else document(device, options.format)
    if options.output is None:
        print(text, end="")
        return 0
    with open(options.output, "w", encoding="utf-8", errors="backslashreplace") as out:
        out.write(text)
    complain(f"written to {options.output}")
    return 0
