"""Tests of this source run with each instruction patched at its first fault, some also with each access a signal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmio.linux.xsave import has_xsave
from tests.mmio.hosted.engines import patch_after

_ONCE = ("test_elf_image", "test_followers", "test_patching", "test_program_area", "test_rewinding")
_TWICE = ("test_engines", "test_signal_storm", "test_trap_flag")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test as its module says; nothing is patched without XSAVE."""
    module = metafunc.module.__name__.rpartition(".")[2]
    if module not in _ONCE:
        ways = ["signals"] * (module in _TWICE or not has_xsave()) + ["calls"] * has_xsave()
        metafunc.parametrize("way", ways, indirect=True)


@pytest.fixture(autouse=True)
def _nothing_opened(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail when pagetrap opened a file while a program ran: it took a number that the program's threads count on."""
    notes: Path = tmp_path_factory.mktemp("opened") / "notes"
    monkeypatch.setenv("TEST_OPENED", str(notes))
    yield
    assert not notes.exists(), notes.read_text()


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Patch instructions at their first fault, or never, in what a test starts; None where it runs once."""
    chosen: str | None = getattr(request, "param", None)
    if chosen is not None:
        patch_after(1 if chosen == "calls" else 1 << 60, monkeypatch)
    return chosen


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what does not host a program once: tests of the other engine."""
    twice = [item for item in items if item.module.__name__.rpartition(".")[2] in _TWICE]  # type: ignore[attr-defined]
    other = [item for item in twice if _engine(item) == "ptrace" and "calls" in item.name.partition("[")[2]]
    items[:] = [item for item in items if item not in other]
    config.hook.pytest_deselected(items=other)


def _engine(item: pytest.Item) -> str | None:
    call = getattr(item, "callspec", None)
    return None if call is None else call.params.get("engine")
