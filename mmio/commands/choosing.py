"""Options by which every command selects accesses: `--only`, `--writes`, `--width`, `--ip` and so on."""

import argparse
from collections.abc import Callable
from typing import Any, Final

from mmio.traces.selection import Code, Selection, nanoseconds, place_or_access, span

FORMS: Final = """\
PLACE:    uart  uart.STATUS  'uart.TX*'  STATUS  uart+0x10  uart+0x10..0x20  0xfe000000+0x100  'port 0x70..0x72'
CODE:     0x401000  0x401000..0x402000  lib.so  uart_init  'uart_*'
numbers:  4  0x10  0x10..0x20 (its end not included)  0x10+0x8          TIME:  1.5 (seconds)  20ms  5us  100ns
"""


def add(command: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = command.add_argument_group(
        "which accesses", "Given twice, an option takes either; different options must all hold."
    )

    def many(option: str, metavar: str, parse: Callable[[str], object], text: str) -> None:
        group.add_argument(option, metavar=metavar, action="append", default=[], type=_checked(parse), help=text)

    many("--only", "PLACE", place_or_access, "to this region, register, offset, address or port")
    many("--without", "PLACE", place_or_access, "not to this one")
    group.add_argument("--reads", action="store_true", help="reads (an atomic is a read and a write)")
    group.add_argument("--writes", action="store_true", help="writes")
    many("--width", "BYTES", span, "as wide as this, or within this range")
    many("--value", "VALUE", span, "of this value, or within this range")
    many("--ip", "CODE", lambda text: Code.parse([text]), "by code at this address, or in this module or function")
    many("--thread", "NUMBER", span, "by this thread")
    for option, text in (("--since", "from this time on, counted from the beginning"), ("--until", "before this time")):
        group.add_argument(option, metavar="TIME", type=_checked(nanoseconds), help=text)
    command.epilog = f"{command.epilog or ''}\n{FORMS}"


def selection(options: argparse.Namespace) -> Selection:
    """Return what the options say."""
    names = "only without reads writes width value ip thread since until"
    given: dict[str, Any] = {name: getattr(options, name) for name in names.split()}
    return Selection.parse(**given)


def _checked(parse: Callable[[str], object]) -> Callable[[str], str]:
    """Return what argparse calls with a text: it says what is wrong with it, and leaves it as it is."""

    def check(text: str) -> str:
        try:
            parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return text

    return check
