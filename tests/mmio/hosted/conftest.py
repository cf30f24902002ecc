"""The tests of this source run twice: each access is a signal, or each instruction patched at its first fault."""

import pytest

from tests.mmio.hosted.engines import patch_after

_ONCE = ("test_elf_image", "test_patching", "test_program_area", "test_rewinding")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test twice; what is patched needs XSAVE."""
    if metafunc.module.__name__.rpartition(".")[2] not in _ONCE:
        ways = "signals", pytest.param("calls", marks=pytest.mark.cpu("XSAVE"))
        metafunc.parametrize("way", ways, indirect=True)


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Patch instructions at their first fault, or never, in what a test starts; None where it runs once."""
    chosen: str | None = getattr(request, "param", None)
    if chosen is not None:
        patch_after(1 if chosen == "calls" else 1 << 60, monkeypatch)
    return chosen


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what does not host a program once: tests of the other engine."""
    other = [item for item in items if _engine(item) == "ptrace" and "calls" in item.name.partition("[")[2]]
    items[:] = [item for item in items if item not in other]
    config.hook.pytest_deselected(items=other)


def _engine(item: pytest.Item) -> str | None:
    call = getattr(item, "callspec", None)
    return None if call is None else call.params.get("engine")
