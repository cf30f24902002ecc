"""Fuzz every target for some time, one after the other; what was found interesting is kept in .fuzz for the next time.

An input that raises is kept too, as .fuzz/TARGET-crash-…, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import TARGETS

PLACE = Path(".fuzz")


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one target; return libFuzzer's exit status."""
    corpus = PLACE / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in TARGETS[name].seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.run", name, str(corpus), f"-max_total_time={seconds}"]
    command += ["-max_len=4096", "-timeout=20", f"-artifact_prefix={PLACE}/{name}-", "-print_final_stats=1"]
    return subprocess.run(command, check=False).returncode


def main() -> None:
    """Parse the command line and fuzz."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all of them if left out"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    options = parser.parse_args()
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"no target is called {' or '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if find_spec("atheris") is None:
        sys.exit("fuzzing needs atheris (pip install atheris); the hypothesis laws of arbitrary bytes run without it")
    failed = [name for name in options.targets or TARGETS if fuzz(name, options.seconds)]
    if failed:
        sys.exit(f"a documented error was not all that came out of {', '.join(failed)}: see {PLACE}")


if __name__ == "__main__":
    main()
