"""`pagetrap coverage`: the table of what is emulated."""

import argparse
from typing import Final

from mmio.commands.parser import Commands, Example, UsageError, declare

_EXAMPLES: Final = (
    Example("how much of each CPU feature", "pagetrap coverage"),
    Example("what is not emulated, and why", "pagetrap coverage --missing --by mnemonic"),
    Example("which function does a form", "pagetrap coverage --by form"),
)


def add(commands: Commands) -> None:
    """Declare the subcommand."""
    command = declare(
        commands,
        "coverage",
        _coverage,
        "show what is emulated, and why the rest is not",
        "List every instruction form that touches memory or a port by what becomes of it: emulated, native (completed "
        "by the CPU itself on a live source), refused, or unread (an encoding of CPUs that are gone).",
        _EXAMPLES,
    )
    command.add_argument(
        "--by", choices=("feature", "mnemonic", "form"), default="feature", help="what a line stands for"
    )
    command.add_argument("--missing", action="store_true", help="only what is not emulated, with the reasons")
    command.add_argument("--markdown", action="store_true", help="the whole table as docs/coverage.md has it")


def _coverage(options: argparse.Namespace) -> int:
    from mmio.coverage_table import page, table  # here, for it loads the emulator

    if options.markdown and (options.missing or options.by != "feature"):
        raise UsageError("--markdown is the whole table: leave --missing and --by out")
    print(page() if options.markdown else "\n".join(table(options.by, options.missing)))
    return 0
