"""Cases that once ended otherwise than silicon did, or seemed to. A law that fails prints its case: paste it here."""

from typing import Final

from tests.oracle.case import Case, VectorState, Window

REAL: Final = {"cs": 0x10000, "ds": 0x20000, "es": 0x20000, "fs": 0x20000, "gs": 0x20000, "ss": 0x20000}
LOW: Final = Window(base=0x20000)

REGRESSIONS: Final[dict[str, Case]] = {
    "push in 16-bit code keeps bits 16..31 of esp": Case(
        bytes.fromhex("50"), bits=16, regs={"rsp": 0x99990100}, window=LOW, bases=REAL, ip=0x100
    ),
    "repe cmpsb faults at its second element": Case(
        bytes.fromhex("f3a6"), regs={"rsi": 0x402FFF, "rdi": 0x402FFF, "rcx": 2}
    ),
    "repne scasb faults at its second element": Case(
        bytes.fromhex("f2ae"), bits=16, regs={"rdi": 0x2FFF, "rcx": 2, "rax": 0}, window=LOW, bases=REAL, ip=0x100
    ),
    "rep movsb with 32-bit pointers and nothing to do": Case(
        bytes.fromhex("67f3a4"), regs={"rdi": 0x401000, "rsi": 0xFFFFFFFF00400000, "rcx": 0}
    ),
    "repe scasb with a 32-bit count of zero": Case(
        bytes.fromhex("67f3ae"), regs={"rdi": 0xFFFFFFFF00401000, "rcx": 0xFFFFFFFF00000000, "rax": 0}
    ),
    "shld of a word by 31": Case(bytes.fromhex("660fa4c8ff"), regs={"rax": 0, "rcx": 2**64 - 1}),
    "shrd of a word in memory by 31": Case(
        bytes.fromhex("660fac00ff"),
        bits=32,
        regs={"rax": 0x400000},
        window=Window(patches={0: b"\xff\xff"}),
    ),
    "lddqu across a page, with alignment checking": Case(
        bytes.fromhex("f20ff000"), regs={"rax": 0x402FFF}, rflags=0x40202, vectors=VectorState()
    ),
    "vandpd of a misaligned vector, with alignment checking": Case(
        bytes.fromhex("c5f95400"), regs={"rax": 0x400001}, rflags=0x40202, vectors=VectorState()
    ),
    "vpmovdb to misaligned bytes, with alignment checking": Case(
        bytes.fromhex("62f27e093100"),
        regs={"rax": 0x400001},
        rflags=0x40202,
        vectors=VectorState().replaced(k1=2**64 - 1),
    ),
    "vgatherdpd faults at its second element": Case(
        bytes.fromhex("67c4e2f1920410"),
        regs={"rax": 0x400000},
        window=Window(patches={0: bytes.fromhex("000000000000f03f")}),
        vectors=VectorState().replaced(zmm2=0xFFFFFFFF00000000),
    ),
    "vpgatherqd faults with a mask that is not all ones": Case(
        bytes.fromhex("c4e269910c0500304000"), vectors=VectorState().replaced(zmm1=0, zmm0=0)
    ),
    "clzero of a line that begins before its segment": Case(
        bytes.fromhex("0f01fc"), bits=16, regs={"rax": 0x2F}, window=LOW, bases=REAL | {"ds": 0x20010}, ip=0x100
    ),
    "clzero of a line that ends beyond the segment's limit": Case(
        bytes.fromhex("0f01fc"), bits=16, regs={"rax": 0xFFF0}, window=LOW, bases=REAL | {"ds": 0x12010}, ip=0x100
    ),
    "leave reads across 4 GiB": Case(bytes.fromhex("66c9"), bits=32, regs={"rbp": 0xFFFFFFFF}),
    "movsxd to a word at the end of memory": Case(
        bytes.fromhex("666300"), regs={"rax": 0x402FFE}, window=Window(patches={0x2FFE: b"\0\0"})
    ),
    "vpmovdw through the segment's limit": Case(
        bytes.fromhex("62f27e093307"),
        bits=16,
        regs={"rbx": 0xFFFE},
        window=LOW,
        vectors=VectorState().replaced(k1=2**64 - 1),
        bases=REAL,
        ip=0x100,
    ),
    "vpmaskmovd wraps its offset": Case(
        bytes.fromhex("65c4e27d8e2a"),
        bits=16,
        regs={"rsi": 9, "rbp": 0xFFF0},
        window=LOW,
        vectors=VectorState(),
        bases=REAL | {"ss": 0x12800, "ds": 0x12800},
        ip=0x100,
    ),
    "ldmxcsr of bit 17": Case(
        bytes.fromhex("0fae10"),
        regs={"rax": 0x400000},
        window=Window(patches={0: bytes.fromhex("00000200")}),
        vectors=VectorState(),
    ),
}
