"""The commands there are: the module that declares each, and what it does in a few words.

It is all that `pagetrap --help` tells of a command, so none of these modules is loaded for that, and for a command only
its own: together they take several times as long to load as Python to start. `tests/test_startup.py` has the list of
what stays out.
"""

from typing import Final, NamedTuple


class Subject(NamedTuple):
    """A command: the module of `mmio.commands` whose `add` declares it, and its line in the list of commands."""

    module: str
    summary: str


SUBJECTS: Final = {
    "trace": Subject("programs", "run a program and record what it does to chosen mappings"),
    "attach": Subject("programs", "record what a running program does to chosen mappings"),
    "run": Subject("programs", "run a program on devices that exist only in Python"),
    "boot": Subject("guests", "boot a kernel whose drivers have cards that exist only in Python"),
    "serve": Subject("guests", "let a virtual machine have a card that exists only in Python"),
    "decode": Subject("decoding", "show instructions, their operands and the accesses they make"),
    "show": Subject("traces", "show what is in a trace file"),
    "convert": Subject("traces", "write a trace file in another format"),
    "diff": Subject("traces", "compare two trace files"),
    "coverage": Subject("coverage", "show what a trace covers of a device; or what is emulated"),
    "describe": Subject("describing", "write the registers of a device as tables, a C header, SVD or SystemRDL"),
    "doctor": Subject("doctor", "examine this machine and this installation: what works here, and why not"),
    "completion": Subject("shells", "print a completion script for a shell"),
}
"""By name, in the order of a user's way through them."""
