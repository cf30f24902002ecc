"""The process that is fuzzed: `python -m tests.fuzz.run TARGET [libFuzzer's options]`."""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    """Instrument, then import what is to be fuzzed, then pass control to libFuzzer."""
    atheris = importlib.import_module("atheris")  # has no types
    with atheris.instrument_imports(include=["decode", "emulate", "mmio"]):
        targets = importlib.import_module("tests.fuzz.targets")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], targets.TARGETS[sys.argv[1]].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
