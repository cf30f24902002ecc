"""What this machine's CPU has, and so which tests there are.

What a CPU lacks cannot be installed, so a test that needs it is not skipped: it is not collected. It is marked
`@pytest.mark.cpu("AVX512F")`, with the names that iced-x86's `CpuidFeature` has. The head of pytest's report says what
the CPU lacks, and how many instruction forms are judged on it.
"""

import pytest

from tests.campaign.run import forms, host_cpu
from tests.oracle.case import CannotRun
from tests.oracle.hidden import hidden, needed
from tests.oracle.host import features, is_judged


def cpu_lacks(item: pytest.Item) -> bool:
    """Tell whether a test is marked with a feature that this CPU does not have, or that is hidden."""
    wanted = {name for mark in item.iter_markers("cpu") for name in mark.args}
    try:
        return not wanted <= features() if wanted else False
    except CannotRun:
        return False  # what cannot be asked is not known to be missing


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
    return f"CPU: {host_cpu()}; it judges {judged:,} of {len(codes):,} emulated forms{without}{told}"
