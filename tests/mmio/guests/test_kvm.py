"""What is said of a machine whose KVM cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmio.guests.console import Console
from mmio.guests.errors import MissingError
from mmio.guests.kvm import check_kvm


def test_no_device(tmp_path: Path) -> None:
    """The error says what is missing, and how it comes about."""
    with pytest.raises(MissingError, match=r"KVM needs \S+/kvm: No such file or directory; load kvm_intel or kvm_amd"):
        check_kvm(tmp_path / "kvm")


def test_another_device(tmp_path: Path) -> None:
    """A file that is no KVM is distinguished from one."""
    (tmp_path / "kvm").write_bytes(b"")
    with pytest.raises(MissingError, match=r"/kvm is no KVM: Inappropriate ioctl"):
        check_kvm(tmp_path / "kvm")


def test_a_console_that_stays_silent(tmp_path: Path) -> None:
    """It is noticed: a KVM that cannot run a kernel stays so; one that has ended does not count as silent."""
    with Console(tmp_path / "console", lambda line: None) as console:
        assert not console.wait_for_output(0.01)
        console._take(b"SeaBIOS")
        assert console.wait_for_output(0)
    with Console(tmp_path / "other", lambda line: None) as console:
        console._take(b"")
        assert console.wait_for_output(0)
