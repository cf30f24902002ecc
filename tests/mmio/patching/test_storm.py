"""Text may change while threads and signal handlers execute it: no wrong value, no lost record."""

import subprocess
import sys

from mmio.patching.text import ALL_STEPS, FOLLOWERS, HALT
from tests.native import ROOT


def storm(seconds: float, steps: int, seed: int = 1, name: str = "storm") -> "subprocess.CompletedProcess[str]":
    """Run a storm in a process of its own."""
    command = [sys.executable, "-m", f"tests.mmio.patching.{name}", str(seconds), str(steps), str(seed)]
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


def test_instructions_that_jumps_stand_over_change_too() -> None:
    """Threads and handlers are in the middle of them, jump to them, and execute their copies."""
    done = storm(8, ALL_STEPS, name="follower_storm")
    assert done.returncode == 0, done.stderr
    rounds, jumps, loads, wrong, accesses, status, changes, records = map(int, done.stdout.split())
    assert (wrong, status, records) == (0, 0, accesses)
    assert min(rounds, jumps, changes) > 500
    assert loads > 10_000


def test_without_a_step_for_each_of_them_it_fails() -> None:
    """When only the first instruction is HLT meanwhile, a thread at the next one executes half of it."""
    for seed in range(1, 13):
        done = storm(8, ALL_STEPS & ~FOLLOWERS, seed, "follower_storm")
        found = done.stdout.split()
        if len(found) != 8 or found[3] != "0" or found[5] != "0":
            return
    raise AssertionError("twelve storms without HLT have found nothing")
