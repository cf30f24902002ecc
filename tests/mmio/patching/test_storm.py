"""Text may change while threads and signal handlers execute it: no wrong value, no lost record."""

import subprocess
import sys

from mmio.patching.text import ALL_STEPS, HALT
from tests.native import ROOT


def storm(seconds: float, steps: int, seed: int = 1) -> "subprocess.CompletedProcess[str]":
    """Run the storm in a process of its own."""
    command = [sys.executable, "-m", "tests.mmio.patching.storm", str(seconds), str(steps), str(seed)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_instructions_change_under_threads_and_handlers() -> None:
    """Neighbours, whose jumps consist of each other's bytes, are patched and restored all the time."""
    done = storm(8, ALL_STEPS)
    assert done.returncode == 0, done.stderr
    changes, in_memory, on_device, *wrong = map(int, done.stdout.split())
    assert wrong == [0, 0]
    assert min(changes, on_device) > 200
    assert in_memory > 10_000


def test_without_the_first_step_it_fails() -> None:
    """When the first byte is not HLT meanwhile, a thread executes half of an instruction: the storm would show it."""
    for seed in range(1, 9):
        done = storm(8, ALL_STEPS & ~HALT, seed)
        if done.returncode or done.stdout.split()[3:] != ["0", "0"]:
            return
    raise AssertionError("eight storms without HLT have found nothing")
