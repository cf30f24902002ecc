"""Facts of the operating system and the CPU: the C library, memory maps, seccomp, system calls, machine code."""
