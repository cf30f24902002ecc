"""KVM as it is needed of this machine, before QEMU is started with it."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

from mmio.guests.errors import MissingError

DEVICE: Final = Path("/dev/kvm")

_KVM_GET_API_VERSION: Final = 0xAE00  # <linux/kvm.h>
_VERSION: Final = 12
_REASONS: Final = {
    errno.ENOENT: "load kvm_intel or kvm_amd, on a machine whose firmware allows virtualization",
    errno.EACCES: "become a member of its group, kvm",
    errno.ENODEV: "the CPU has no VT-x or SVM, or a virtual machine is not given it",
}


def check_kvm(device: Path = DEVICE) -> None:
    """Check that KVM can be used.

    Args:
        device: its device.

    Raises:
        MissingError: it cannot; says why, and what to do.
    """
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, "it cannot be opened")
        raise MissingError(f"KVM needs {device}: {error.strerror}; {reason}, or leave KVM out") from None
    try:
        version = fcntl.ioctl(descriptor, _KVM_GET_API_VERSION)
    except OSError as error:
        raise MissingError(f"{device} is no KVM: {error.strerror}; leave KVM out") from None
    finally:
        os.close(descriptor)
    if version != _VERSION:
        raise MissingError(f"expected version {_VERSION} of KVM's interface, {device} has {version}; leave KVM out")
