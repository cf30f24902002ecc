"""A storm of signals whose handlers access the device themselves: nothing is lost, wrong or stuck, on any engine."""

from collections import Counter
from pathlib import Path

import pytest

from decode import WRITE
from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.ptrace.programs import device_file, program
from tests.mmio.storm import STORM, WORKERS

MAIN = r"""
int main(int argc, char **argv) {
    int wrong = storm(map(argv[1], PROT_READ | PROT_WRITE), atoi(argv[2]));
    for (int i = 0; i < WORKERS; i++) printf("%u\n", handled[i]);
    return wrong;
}
"""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(4))
def test_handlers_that_access_the_device(tmp_path: Path, engine: str, seed: int) -> None:
    """Each access is made once and recorded once, whatever signal interrupts it and however its handler leaves."""
    path = device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [str(program(STORM + MAIN)), str(path), str(seed)])
    assert run.status == 0, run.output + run.complaints
    written = Counter(access.offset or 0 for access in run.accesses if access.direction & WRITE)
    words = memoryview(path.read_bytes()).cast("I")
    counted = [*range(WORKERS), *range(8, 8 + WORKERS)]
    assert [written[4 * word] for word in counted] == [words[word] for word in counted]
    assert sum(map(int, run.output.split())) > 50
