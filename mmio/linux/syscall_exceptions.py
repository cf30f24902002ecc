"""Reasons why some pointers of system calls are not supported in trapped memory.

The words are those after "!" in the signatures, and calls of which a part is not described.
"""

from typing import Final

REASONS: Final = {
    "attributes": "the structure names other memory, by the command",
    "buffers": "the kernel keeps the pointers, and uses the memory after the call has returned",
    "clone": "the stack and the words that the new thread writes are memory it uses itself",
    "futex": "a lock is an address: WAIT, WAKE, REQUEUE and CMP_REQUEUE of futex use a stand-in "
    "(`mmio/program/locks.py`); WAKE_OP, locks with priority inheritance, and the calls newer than futex do not",
    "pages": "the kernel keeps the pages themselves",
    "robust": "the kernel goes through the list when the thread ends",
    "rseq": "the kernel writes there whenever the thread moves to another CPU",
    "segments": "each segment names memory of the image to be started",
    "tid": "the kernel writes there when the thread begins or ends",
    "vm86": "the kernel runs on the structure until the virtual machine stops",
}

UNDESCRIBED: Final = {
    "fcntl": "commands that take no pointer to a structure of linux/fcntl.h (F_CREATED_QUERY and newer)",
    "io_uring_enter": "the structure of IORING_ENTER_EXT_ARG names a signal mask and a time",
    "ioctl": "pointers in structures, but for SIOCGIFCONF, I2C_RDWR and SPI_IOC_MESSAGE; "
    "64 bytes are assumed where the number does not say the size",
    "ipc": "SEMCTL, MSGCTL and SHMCTL, and MSGRCV of version 0",
    "keyctl": "the operations of public keys (24 to 28), and DH_COMPUTE",
    "madvise": "MADV_POPULATE_READ and MADV_POPULATE_WRITE, which need pages that may be accessed",
    "move_pages": "the pages themselves cannot be moved while they trap",
    "msgctl": "32-bit calls without IPC_64",
    "prctl": "PR_SET_MM and PR_SET_VMA",
    "process_vm_readv": "memory of another process that is trapped, too; that of the caller itself is helped",
    "ptrace": "memory of another process that is trapped, too",
    "semctl": "GETALL and SETALL; 32-bit calls without IPC_64",
    "setsockopt": "pointers in the structures of protocols (IP_MSFILTER with its size, SO_ATTACH_FILTER is described)",
    "shmctl": "32-bit calls without IPC_64",
}
"""By the call's name: what of it finds EFAULT, or is copied only in part."""
