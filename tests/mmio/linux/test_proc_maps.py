"""What a process has mapped."""

import subprocess
from collections.abc import Iterator

import pytest

from mmio.linux.proc_maps import mapping_at, mappings


@pytest.fixture
def process() -> Iterator[int]:
    """Start a process that waits for its input, and whose memory does not change meanwhile."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        cat.stdin.write(b"\n")
        cat.stdin.flush()
        cat.stdout.read(1)  # it has been loaded
        yield cat.pid


def test_an_address_is_in_the_mapping_that_has_it(process: int) -> None:
    """Its first byte is, and its last one, and what is before and behind is in another or in none."""
    every = list(mappings(process))
    assert len(every) > 5
    for address in {each.start - 1 for each in every} | {
        at for each in every for at in (each.start, each.end - 1, each.end)
    }:
        expected = [each for each in every if each.start <= address < each.end]
        found = mapping_at(process, address)
        assert expected == ([] if found is None else [found])
