"""Signatures of system calls that depend on the value of an argument.

By the call's name: the argument, how far its value is shifted, and the whole signature by the value, in the notation of
`syscall_notation.py`. A value that is not listed leads to no pointer. Values and structures are those of the headers
that the lines name.
"""

from typing import Final, TypeAlias

Variants: TypeAlias = tuple[int, int, dict[int, str]]

_IPC_64: Final = 0x100  # a flag of 32-bit calls for the structures that have it (linux/ipc.h)


def _control(name: str, where: str) -> dict[int, str]:
    """Return the variants of shmctl, msgctl and semctl that move the structure of one object."""
    found: dict[int, str] = {}
    for flag in (0, _IPC_64):
        found |= {1 | flag: f"{where}<{name}", 2 | flag: f"{where}>{name}"}  # IPC_SET, IPC_STAT
    return found


_LOCKS: Final = {
    5: "_ _ =flock",  # F_GETLK, F_SETLK, F_SETLKW
    6: "_ _ <flock",
    7: "_ _ <flock",
    12: "_ _ =flock64",  # F_GETLK64, F_SETLK64, F_SETLKW64
    13: "_ _ <flock64",
    14: "_ _ <flock64",
    36: "_ _ =flock64",  # F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW
    37: "_ _ <flock64",
    38: "_ _ <flock64",
}
_FCNTL: Final[Variants] = (  # linux/fcntl.h, asm-generic/fcntl.h
    1,
    0,
    _LOCKS
    | {
        15: "_ _ <8",  # F_SETOWN_EX
        16: "_ _ >8",  # F_GETOWN_EX
        17: "_ _ >8",  # F_GETOWNER_UIDS
        1035: "_ _ >8",  # F_GET_RW_HINT
        1036: "_ _ <8",  # F_SET_RW_HINT
        1037: "_ _ >8",  # F_GET_FILE_RW_HINT
        1038: "_ _ <8",  # F_SET_FILE_RW_HINT
    },
)
_QUOTA: Final = {  # linux/quota.h
    0x800002: "<path",  # Q_QUOTAON
    0x800004: ">4",  # Q_GETFMT
    0x800005: ">24",  # Q_GETINFO
    0x800006: "<24",  # Q_SETINFO
    0x800007: ">72",  # Q_GETQUOTA
    0x800008: "<72",  # Q_SETQUOTA
    0x800009: ">80",  # Q_GETNEXTQUOTA
}

VARIANTS: Final[dict[str, Variants]] = {
    "arch_prctl": (  # asm/prctl.h
        0,
        0,
        {
            0x1003: "_ >8",
            0x1004: "_ >8",
            0x1021: "_ >8",
            0x1022: "_ >8",
            0x1024: "_ >8",
            0x4001: "_ >8",
            0x4003: "_ >8",
        },
    ),
    "fcntl": _FCNTL,
    "fcntl64": _FCNTL,
    "fsconfig": (  # enum fsconfig_command of linux/mount.h
        1,
        0,
        {
            0: "_ _ <str",
            1: "_ _ <str <str",
            2: "_ _ <str <[4]",
            3: "_ _ <str <path",
            4: "_ _ <str <path",
            5: "_ _ <str",
        },
    ),
    "ipc": (  # linux/ipc.h; SEMCTL, MSGCTL, SHMCTL and the MSGRCV of version 0 are exceptions
        0,
        0,
        {
            1: "_ _ _ _ <sembuf[2]",  # SEMOP
            4: "_ _ _ _ <sembuf[2] <timespec",  # SEMTIMEDOP
            11: "_ _ _ _ <word+[2]",  # MSGSND
            1 << 16 | 12: "_ _ _ _ >word+[2]~",  # MSGRCV
            21: "_ _ _ >word &",  # SHMAT
        },
    ),
    "kcmp": (2, 0, {7: "_ _ _ _ <12"}),  # KCMP_EPOLL_TFD, linux/kcmp.h
    "keyctl": (  # linux/keyctl.h
        0,
        0,
        {
            1: "_ <str",  # JOIN_SESSION_KEYRING
            2: "_ _ <[3]",  # UPDATE
            6: "_ _ >[3]#",  # DESCRIBE
            10: "_ _ <str <str",  # SEARCH
            11: "_ _ >[3]#",  # READ
            12: "_ _ <[3]",  # INSTANTIATE
            17: "_ _ >[3]#",  # GET_SECURITY
            20: "_ _ <iov[3]",  # INSTANTIATE_IOV
            29: "_ _ <str <str",  # RESTRICT_KEYRING
            31: "_ >[2]#",  # CAPABILITIES
        },
    ),
    "landlock_add_rule": (1, 0, {1: "_ _ <12", 2: "_ _ <16"}),  # linux/landlock.h
    "modify_ldt": (0, 0, {0: "_ >[2]#", 2: "_ >[2]#", 1: "_ <user_desc", 17: "_ <user_desc"}),  # modify_ldt(2)
    "msgctl": (1, 0, _control("msqid64", "_ _ ") | dict.fromkeys((3, 12, 259, 268), "_ _ >32")),  # IPC_INFO, MSG_INFO
    "prctl": (  # linux/prctl.h
        0,
        0,
        {
            **dict.fromkeys((2, 5, 9, 11, 19, 25, 37), "_ >int"),  # PR_GET_PDEATHSIG … PR_GET_CHILD_SUBREAPER
            15: "_ <name",  # PR_SET_NAME
            16: "_ >16",  # PR_GET_NAME
            22: "_ _ ?filter_mode",  # PR_SET_SECCOMP
            40: "_ >word",  # PR_GET_TID_ADDRESS
        },
    ),
    "ptrace": (  # linux/ptrace.h, asm/ptrace-abi.h
        0,
        0,
        {
            **dict.fromkeys((1, 2), "_ _ & >word"),  # PEEKTEXT, PEEKDATA
            3: "_ _ _ >word",  # PEEKUSR
            12: "_ _ _ >user_regs",
            13: "_ _ _ <user_regs",
            14: "_ _ _ >user_fpregs",
            15: "_ _ _ <user_fpregs",
            25: "_ _ _ >user_desc",  # GET_THREAD_AREA
            26: "_ _ _ <user_desc",
            0x4201: "_ _ _ >word",  # GETEVENTMSG
            0x4202: "_ _ _ >siginfo",  # GETSIGINFO
            0x4203: "_ _ _ <siginfo",  # SETSIGINFO
            0x4204: "_ _ _ ?register_set",  # GETREGSET
            0x4205: "_ _ _ ?register_set",  # SETREGSET
            0x420A: "_ _ _ >[2]",  # GETSIGMASK
            0x420B: "_ _ _ <[2]",  # SETSIGMASK
            0x420E: "_ _ _ >[2]~",  # GET_SYSCALL_INFO
        },
    ),
    "quotactl": (0, 8, {command: f"_ <path _ {pointee}" for command, pointee in _QUOTA.items()}),
    "quotactl_fd": (1, 8, {command: f"_ _ _ {pointee}" for command, pointee in _QUOTA.items()}),
    "reboot": (2, 0, {0xA1B2C3D4: "_ _ _ <str"}),  # LINUX_REBOOT_CMD_RESTART2
    "seccomp": (0, 0, {1: "_ _ ?program", 2: "_ _ <4", 3: "_ _ >6"}),  # linux/seccomp.h
    "semctl": (2, 0, _control("semid64", "_ _ _ ") | dict.fromkeys((3, 19, 259, 275), "_ _ _ >40")),
    "shmctl": (1, 0, _control("shmid64", "_ _ ") | {3: "_ _ >shminfo64", 259: "_ _ >shminfo64", 14: "_ _ >shm_info"}),
    "sysfs": (0, 0, {1: "_ <str", 2: "_ _ >64~"}),  # sysfs(2)
    "syslog": (0, 0, {2: "_ >[2]#", 3: "_ >[2]#", 4: "_ >[2]#"}),  # SYSLOG_ACTION_READ …, linux/syslog.h
}

SOCKETCALLS: Final = {  # linux/net.h
    2: "bind",
    3: "connect",
    5: "accept",
    6: "getsockname",
    7: "getpeername",
    8: "socketpair",
    9: "send",
    10: "recv",
    11: "sendto",
    12: "recvfrom",
    14: "setsockopt",
    15: "getsockopt",
    16: "sendmsg",
    17: "recvmsg",
    18: "accept4",
    19: "recvmmsg",
    20: "sendmmsg",
}
"""By the first argument of socketcall(2): the call, of those with a pointer."""
SEND_RECEIVE: Final = {"accept": "_ >@2 =int", "send": "_ <[2]", "recv": "_ >[2]#"}
"""Signatures of those that have no number of their own in the 32-bit table."""
