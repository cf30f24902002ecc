"""A test of what the driver returns, and one of how it gets there. ENGINE_FLAGS are flags for the compiler."""

import os

import pytest
from engine import build, drive
from findings import findings

import mmio


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[bool, mmio.Trace]:
    return drive(build(tmp_path_factory.mktemp("engine"), *os.environ.get("ENGINE_FLAGS", "").split()))


def test_the_sums_are_right(run: tuple[bool, mmio.Trace]) -> None:
    assert run[0]


def test_no_time_is_lost(run: tuple[bool, mmio.Trace]) -> None:
    assert findings(run[1]) == []
