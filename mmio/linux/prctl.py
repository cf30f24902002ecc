"""Options of prctl(2) and operations of seccomp(2), under the names of linux/prctl.h and linux/seccomp.h."""

from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_SET_NAME: Final = 15
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
PR_SET_PTRACER: Final = 0x59616D61

SECCOMP_SET_MODE_STRICT: Final = 0
SECCOMP_SET_MODE_FILTER: Final = 1

SECCOMP_MODE_STRICT: Final = 1
SECCOMP_MODE_FILTER: Final = 2
