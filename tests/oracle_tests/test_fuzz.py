"""Arbitrary bytes raise documented errors only: by hypothesis always, by atheris too where there is one."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

SECONDS = 12


@pytest.mark.parametrize("name", TARGETS)
def test_the_inputs_to_begin_with_raise_nothing(name: str) -> None:
    """What a fuzzer starts from is fine."""
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


pieces = st.tuples(st.integers(0, 9), st.integers(0, 200), st.binary(max_size=40), st.integers(0, 10))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=50)
@given(pieces)
def test_arbitrary_bytes_raise_nothing_else(name: str, made: tuple[int, int, bytes, int]) -> None:
    """Bytes of all kinds, and inputs to begin with in which a piece is replaced, raise documented errors only."""
    number, place, piece, cut = made
    seeds = (b"", *TARGETS[name].seeds)
    seed = seeds[number % len(seeds)]
    TARGETS[name].run(seed[:place] + piece + seed[place + cut :])


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed: the test above stands in for it")
@pytest.mark.parametrize("name", TARGETS)
def test_fuzzing_finds_nothing(name: str, tmp_path: Path) -> None:
    """A fuzzer that sees which branches are taken finds no undocumented error in its share of the time."""
    share = f"-max_total_time={SECONDS // len(TARGETS)}"
    for number, seed in enumerate(TARGETS[name].seeds):
        (tmp_path / str(number)).write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.run", name, str(tmp_path), share, f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-3000:]
