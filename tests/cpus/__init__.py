"""The suites on emulated CPUs: guests of QEMU without hardware help, each with a CPU model of its own.

`python -m tests.cpus --help`, or `make test-cpus`. A guest is a Debian kernel whose root is this machine's file system,
read-only by 9p, with a tmpfs over it, so the checkout and its .venv are there as they are here.

An emulated CPU is not silicon. A case whose result differs in a guest is judged by the real CPU of this machine
(`arbiter`): where it agrees with pagetrap, the difference is QEMU's, and listed in docs/qemu.md.
"""
