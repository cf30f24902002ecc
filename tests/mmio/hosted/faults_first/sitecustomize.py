"""Patch instructions of programs that this Python hosts after as many faults as TEST_FAULTS says."""

import os

from mmio.hosted import patching

patching.FAULTS = int(os.environ["TEST_FAULTS"])  # type: ignore[misc]
