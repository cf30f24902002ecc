"""Need for everything that boots a guest."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from functools import cache
from typing import Any

import pytest

from mmio.guests.errors import MissingError
from mmio.guests.initramfs import find_busybox
from mmio.guests.kernels import find_kernel
from mmio.guests.qemu import find_qemu
from tests.native import ROOT
from tests.needs import need

MODULES = ("e1000", "i6300esb", "8139cp", "8139too", "nvme_core admin_timeout=2 io_timeout=2", "nvme")
"""Drivers of the examples: guests of them all begin with one snapshot, so that it is made once."""

FETCH = "pagetrap boot --fetch gets it"


@cache
def example(name: str) -> Any:
    """Return a module of examples/guest."""
    folder = str(ROOT / "examples/guest")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def need_guest() -> None:
    """Skip the calling test where no guest can be booted; `.ci/run` says where its parts cannot be fetched."""
    if os.environ.get("PAGETRAP_NO_GUESTS") == "1":
        pytest.skip("PAGETRAP_NO_GUESTS=1: what a guest is made of could not be fetched")
    for find in (find_qemu, find_kernel, find_busybox):
        try:
            find()
        except MissingError as error:
            need(False, f"{str(error).removeprefix('needs ')} ({FETCH})")
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
