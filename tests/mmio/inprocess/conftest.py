"""The tests of this source run twice: each access a signal, and each instruction patched at its first fault."""

from collections.abc import Iterator

import pytest

from mmio.inprocess.mapping import _trap
from mmio.inprocess.patching import FAULTS

# What these test does not depend on how an access comes to the handler, or happens in processes of their own.
_ONCE = ("test_alias_mapping", "test_gate", "test_patching", "test_trapped_ranges")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test twice."""
    if metafunc.module.__name__.rpartition(".")[2] not in _ONCE:
        metafunc.fixturenames.append("way")
        metafunc.parametrize("way", ["signals", "calls"], indirect=True)


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Patch instructions at their first fault, wherever they come from, or never."""
    patching = _trap().patching
    patching.faults = 1 if request.param == "calls" else 1 << 60
    patching.only_files = False
    yield request.param
    patching.faults, patching.only_files = FAULTS, True
