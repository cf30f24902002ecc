"""Our handlers come with the first mapping and go with the last."""

import sys
from signal import SIGFPE, SIGSEGV

import pytest

from mmio.inprocess import ioremap, map_ports
from mmio.inprocess.signals import current, is_ours
from tests.mmio.inprocess.models import Bytes
from tests.native import run_python

ABOVE = """
import ctypes, faulthandler, sys
from mmio.inprocess import ioremap
from tests.mmio.inprocess.models import Bytes
"""


def dispositions() -> list[tuple[int | None, int, int]]:
    """What happens on the two signals: handler, flags, mask."""
    return [(a.handler, a.flags, a.mask[0]) for a in map(current, (SIGSEGV, SIGFPE))]


def test_installed_while_anything_is_mapped() -> None:
    """The handlers are in place from the first mapping to the last close, whatever the order."""
    before, hook = dispositions(), sys.unraisablehook
    assert not is_ours(SIGSEGV)
    first = ioremap(Bytes(8))
    second = map_ports(0x70, 1, Bytes(1))
    assert is_ours(SIGSEGV)
    assert is_ours(SIGFPE)
    first.close()
    assert is_ours(SIGSEGV)
    second.close()
    assert dispositions() == before
    assert sys.unraisablehook is hook


def test_removed_when_the_body_raises() -> None:
    """An exception in the `with` block closes the mapping."""
    before = dispositions()
    with pytest.raises(KeyError), ioremap(Bytes(8)):
        raise KeyError
    assert dispositions() == before


def test_faulthandler_enabled_too_late() -> None:
    """A handler put in front of pagetrap's is noticed when the next mapping is made."""
    program = (
        ABOVE
        + """
first = ioremap(Bytes(8))
faulthandler.enable()
try:
    ioremap(Bytes(8))
except RuntimeError as error:
    print(error)
first.close()
faulthandler.disable()
with ioremap(Bytes(8, b"\\x07")) as mapping:
    print(ctypes.c_uint8.from_address(mapping.address).value)
"""
    )
    done = run_python(program)
    assert "the SIGSEGV handler was replaced after the first mapping was made" in done.stdout
    assert done.stdout.splitlines()[-1] == "7"
    assert (done.returncode, done.stderr) == (0, "")


def test_mappings_open_at_exit() -> None:
    """A process may end with mappings open."""
    done = run_python(ABOVE + "mapping = ioremap(Bytes(8)); print(ctypes.string_at(mapping.address, 2))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'\\x00\\x00'\n", "")


def test_hook_replaced_meanwhile() -> None:
    """An unraisable hook that was put in front of pagetrap's stays when the mapping closes."""

    def theirs(unraisable: object) -> None:
        pass

    before = sys.unraisablehook
    try:
        with ioremap(Bytes(8)):
            sys.unraisablehook = theirs
        assert sys.unraisablehook is theirs
    finally:
        sys.unraisablehook = before
