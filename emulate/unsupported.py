"""What is known not to be emulated, and why, so that the refusal says more than a missing recipe would.

Instructions of the system and of the long tail of floating point and cryptography are not listed one by one: whatever
has no recipe is refused too.
"""

from typing import Final

_KERNEL: Final = "enters or leaves the kernel, which is not modelled"
_DESCRIPTORS: Final = "needs descriptor tables, which are not modelled"
_CONTROL: Final = "uses control registers or other system state, which is not modelled"
_POINTERS: Final = "moves x87 instruction and data pointers, which the Cpu does not hold"
_QUEUE: Final = "needs a device that answers whether it took the command"

_XSTATE: Final = ("xsave", "xsavec", "xsaveopt", "xsaves", "xrstor", "xrstors")

REASONS: Final = {
    **dict.fromkeys(("int", "int1", "int3", "into", "iret", "iretd", "iretq"), _KERNEL),
    **dict.fromkeys(("syscall", "sysret", "sysretq", "sysenter", "sysexit", "sysexitq"), _KERNEL),
    **dict.fromkeys(("lar", "lsl", "verr", "verw", "lldt", "ltr", "sldt", "str"), _DESCRIPTORS),
    **dict.fromkeys(("lgdt", "lidt", "sgdt", "sidt"), _DESCRIPTORS),
    **dict.fromkeys(("smsw", "lmsw", "clts", "cli", "sti", "hlt", "invlpg", "invd", "wbinvd", "swapgs"), _CONTROL),
    **dict.fromkeys(("rdmsr", "wrmsr", "rdpmc", "rdtsc", "rdtscp", "cpuid", "rdrand", "rdseed", "rdpid"), _CONTROL),
    **dict.fromkeys(("fnstenv", "fldenv", "fnsave", "frstor", "fxsave", "fxsave64", "fxrstor", "fxrstor64"), _POINTERS),
    **dict.fromkeys((f"{name}{bits}" for name in _XSTATE for bits in ("", "64")), _POINTERS),
    **dict.fromkeys(("enqcmd", "enqcmds"), _QUEUE),
}
"""Why, by mnemonic."""
