"""What this machine's CPU has, and so which tests there are.

What a CPU lacks cannot be installed, so a test that needs it is not skipped: it is not collected. It is marked
`@pytest.mark.cpu("AVX512F")`, with the names that iced-x86's `CpuidFeature` has. The head of pytest's report says what
the CPU lacks, and how many instruction forms are judged on it.

A test of gdb that writes vector registers is marked `@pytest.mark.gdb_writes_vectors(True)`, and with False the test of
what is said where gdb cannot: gdb before 14 on a CPU with AMX.
"""

import functools
import subprocess

import pytest

from tests.campaign.run import forms, host_cpu
from tests.oracle.case import CannotRun
from tests.oracle.hidden import hidden, needed
from tests.oracle.host import features, is_judged


def cpu_lacks(item: pytest.Item) -> bool:
    """Tell whether a test is marked with a feature that this CPU does not have, or that is hidden."""
    if any(mark.args != (gdb_writes_vectors(),) for mark in item.iter_markers("gdb_writes_vectors")):
        return True
    wanted = {name for mark in item.iter_markers("cpu") for name in mark.args}
    try:
        return not wanted <= features() if wanted else False
    except CannotRun:
        return False  # what cannot be asked is not known to be missing


@functools.cache
def gdb_writes_vectors() -> bool:
    """Tell whether gdb can write this CPU's vector registers, which calling a function of the program needs as well."""
    command = ["gdb", "-batch", "-nx", "-ex", "starti", "-ex", "print $xmm0.v2_int64[0] = -1", "/bin/true"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    except FileNotFoundError:
        return True  # a test that needs gdb says that it is missing
    return "Couldn't write extended state" not in said


def cpu_report() -> str:
    """Return a line on this machine's CPU: what it lacks, and how many of the emulated forms are judged on it."""
    codes = forms().values()
    try:
        judged = sum(map(is_judged, codes))
        lacking = {name for code in codes for name in needed(code)} - features()
    except CannotRun as error:
        return f"CPU: {host_cpu()}; it judges no form: {error}"
    without = f"; without {' '.join(sorted(lacking))}" if lacking else ""
    told = f" (of these hidden: {' '.join(sorted(hidden() & lacking))})" if hidden() & lacking else ""
    gdb = "" if gdb_writes_vectors() else "; gdb cannot write its vector registers"
    return f"CPU: {host_cpu()}; it judges {judged:,} of {len(codes):,} emulated forms{without}{told}{gdb}"
