"""Reasons why some pointers of system calls are not supported in trapped memory.

The keys of `REASONS` are the words after "!" in the signatures. `UNDESCRIBED` has calls that are supported in part.
"""

from typing import Final

REASONS: Final = {
    "attributes": "the structure contains pointers that depend on the command",
    "buffers": "the kernel uses the memory after the call has returned",
    "clone": "the new thread itself uses the stack and the words it writes",
    "futex": "the address identifies the lock. WAIT, WAKE, REQUEUE and CMP_REQUEUE of futex are supported by a "
    "substitute address (`mmio/program/locks.py`); WAKE_OP, priority inheritance, and newer calls than futex are not",
    "pages": "the kernel keeps references to the pages",
    "robust": "the kernel reads the list when the thread ends",
    "rseq": "the kernel writes there whenever the thread moves to another CPU",
    "segments": "each segment points to memory of the image to be started",
    "tid": "the kernel writes there when the thread begins or ends",
    "vm86": "the kernel runs on the structure until the virtual machine stops",
}

UNDESCRIBED: Final = {
    "fcntl": "commands that take no pointer to a structure of linux/fcntl.h (F_CREATED_QUERY and newer)",
    "io_uring_enter": "the structure of IORING_ENTER_EXT_ARG points to a signal mask and a time",
    "ioctl": "pointers in structures, except SIOCGIFCONF, I2C_RDWR and SPI_IOC_MESSAGE; "
    "64 bytes are assumed if the request number does not contain the size",
    "ipc": "SEMCTL, MSGCTL and SHMCTL, and MSGRCV of version 0",
    "keyctl": "the operations of public keys (24 to 28), and DH_COMPUTE",
    "madvise": "MADV_POPULATE_READ and MADV_POPULATE_WRITE, which need accessible pages",
    "move_pages": "trapped pages cannot be moved",
    "msgctl": "32-bit calls without IPC_64",
    "prctl": "PR_SET_MM and PR_SET_VMA",
    "process_vm_readv": "trapped memory of another process; that of the caller is supported",
    "ptrace": "trapped memory of another process",
    "semctl": "GETALL and SETALL; 32-bit calls without IPC_64",
    "setsockopt": "pointers in the structures of protocols (IP_MSFILTER with its size, SO_ATTACH_FILTER is described)",
    "shmctl": "32-bit calls without IPC_64",
}
"""By the call's name: the part that fails with EFAULT or is not copied."""
