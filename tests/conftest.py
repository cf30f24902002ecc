"""Settings every test shares."""

import signal

import pytest
from hypothesis import settings

from tests.cpu import cpu_lacks, cpu_report
from tests.distributions import clean, dist, online, wheel  # noqa: F401  (fixtures)
from tests.oracle.hidden import hidden

# No deadline: the first example of a kind pays for decoding, compiling and signal handlers, the others do not.
settings.register_profile("pagetrap", deadline=None, print_blob=True)
settings.load_profile("pagetrap")

# Under nohup, or as a shell's background job, these are ignored, and so they would be in every program a test starts.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks; refuse a feature to hide that is none, which would hide nothing."""
    try:
        hidden()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    config.addinivalue_line("markers", "slow: takes seconds, and is left out by make check")
    config.addinivalue_line("markers", "silicon: the CPU is the judge, so an emulated one may be wrong (tests/cpus)")
    config.addinivalue_line("markers", "gdb_writes_vectors(answer): collected where gdb does so (tests/cpu.py)")
    config.addinivalue_line("markers", "cpu(feature, ...): not collected on a CPU without these (tests/cpu.py)")


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test as on a developer's machine: where CI is set no golden file is written, and pytest shows more."""
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


def pytest_report_header() -> str:
    """Say which CPU is the judge, and of what."""
    return cpu_report()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of what this CPU does not have."""
    left_out = [item for item in items if cpu_lacks(item)]
    items[:] = [item for item in items if item not in left_out]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
