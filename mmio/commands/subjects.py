"""Commands of `pagetrap`: the module that declares each, and its summary.

`pagetrap --help` shows only this, so it loads none of these modules, and a command loads only its own: together they
take several times as long to load as Python takes to start. `tests/test_startup.py` lists what must not be loaded.
"""

from typing import Final, NamedTuple


class Subject(NamedTuple):
    """A command: the module of `mmio.commands` whose `add` declares it, and its line in the list of commands."""

    module: str
    summary: str


SUBJECTS: Final = {
    "trace": Subject("programs", "run a program and record its accesses to chosen mappings"),
    "attach": Subject("programs", "record the accesses of a running program to chosen mappings"),
    "run": Subject("programs", "run a program on device models"),
    "boot": Subject("guests", "boot a kernel with device models as PCI cards"),
    "serve": Subject("guests", "offer a device model to a virtual machine as a PCI card"),
    "decode": Subject("decoding", "show instructions, their operands and the accesses they make"),
    "show": Subject("traces", "show what is in a trace file"),
    "convert": Subject("traces", "write a trace file in another format"),
    "diff": Subject("traces", "compare two trace files"),
    "coverage": Subject("coverage", "show the coverage of a device by a trace, or of forms by the emulator"),
    "describe": Subject("describing", "write the registers of a device as tables, a C header, SVD or SystemRDL"),
    "completion": Subject("shells", "print a completion script for a shell"),
}
"""By name, in the order of a user's way through them."""
