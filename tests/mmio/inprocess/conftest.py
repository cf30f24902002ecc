"""The tests of this source run twice: each access a signal, and each instruction patched at its first fault.

An instruction that is patched makes its second access by a frame, and the next ones, where it can, by calling the
device directly. `test_direct_calls.py` compares the three.
"""

from collections.abc import Iterator

import pytest

from mmio.inprocess.mapping import _trap
from mmio.inprocess.patching import FAULTS
from tests.mmio.inprocess.execute import Executor

# What these test does not depend on how an access comes to the handler, or happens in processes of their own.
_ONCE = (
    "test_accessors",
    "test_alias_mapping",
    "test_direct_calls",
    "test_foreign_handlers",
    "test_gate",
    "test_patching",
    "test_port_patching",
    "test_trapped_ranges",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test twice; what is patched needs XSAVE."""
    if metafunc.module.__name__.rpartition(".")[2] not in _ONCE:
        ways = "signals", pytest.param("calls", marks=pytest.mark.cpu("XSAVE"))
        metafunc.parametrize("way", ways, indirect=True)


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Patch instructions at their first fault, wherever they come from, or never; None where a test is run once."""
    chosen: str | None = getattr(request, "param", None)
    patching = _trap().patching
    if chosen is not None:
        patching.faults, patching.only_files = 1 << 60 if chosen == "signals" else 1, False
        patching.met.clear()  # what is known of an instruction was found out another way
    yield chosen
    patching.faults, patching.only_files = FAULTS, True


@pytest.fixture
def at_once() -> Iterator[None]:
    """Patch at the first fault, wherever code comes from."""
    patching = _trap().patching
    patching.faults, patching.only_files = 1, False
    patching.met.clear()
    yield
    patching.faults, patching.only_files, patching.only_frames = FAULTS, True, False


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Executor:
    """Executes one instruction."""
    return Executor(tmp_path_factory.mktemp("execute"))
