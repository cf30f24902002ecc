"""The table of instructions that are not emulated, with the reason for each.

Everything that touches memory or a port and has no recipe stands here, by mnemonic, and a test fails when something
stands in neither place. Most of it is the long tail: thousands of vector and floating-point forms that merely have a
memory operand. Emulating them would be writing a second CPU; where there is a CPU, a live source has it complete them
(`mmio.live.out_of_line`). The rest needs state that a `Cpu` does not hold, or a CPU that is long gone.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final, Literal, TypeAlias

from attrs import field, frozen

Status: TypeAlias = Literal["native", "refused", "unread"]
"""native: executed natively by the live sources. refused: not supported. unread: not decoded either."""


@frozen(slots=True)
class Decision:
    """Reason why a set of instructions is not emulated.

    Attributes:
        status: what becomes of them instead.
        reason: for "native", what they are; otherwise how the sentence continues that begins with the instruction.
        mnemonics: regular expressions.
        features: CPUID features all instructions of which are meant.
    """

    status: Status
    reason: str
    mnemonics: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()
    _matches: re.Pattern[str] = field(init=False, repr=False, eq=False)

    @_matches.default
    def _compile(self) -> re.Pattern[str]:
        return re.compile("|".join(self.mnemonics) or "(?!)")

    def covers(self, mnemonic: str, features: Iterable[str] = ()) -> bool:
        """Return whether the decision is about an instruction."""
        return self._matches.fullmatch(mnemonic) is not None or not self.features.isdisjoint(features)

    def __str__(self) -> str:
        return (
            f"is not emulated: {self.reason}, which is executed natively when a real program is traced"
            if self.status == "native"
            else self.reason
        )


_FLOATS = "(ps|pd|ss|sd|ph|sh)"
_FUSED = "(add|sub|addsub|subadd)"

DECISIONS: Final = (
    # --- the long tail ----------------------------------------------------------------------------------------------
    Decision("native", "AMD's 3DNow!", ("pi2f[wd]|pf.*|pswapd|pavgusb|pmulhrw",)),
    Decision("native", "AMD's TBM", ("blc.*|bls(fill|ic)|t1mskc|tzmsk",)),
    Decision(
        "native",
        "AMD's XOP",
        (
            "vpmac.*|vpmadcs.*|vpcmov|vpperm|vprot[bwdq]|vpcomu?[bwdq]|vfrcz[ps][sd]|vpermil2p[sd]",
            "vpsh[la][bwdq]|vph(add|sub)u?(bw|bd|bq|wd|wq|dq)",
        ),
    ),
    Decision(
        "native",
        "floating-point arithmetic",
        (
            f"v?(add|sub|mul|div|min|max|sqrt)(p[sdh]|sh)|v?(rsqrt|rcp){_FLOATS}",
            "v?(addsub|hadd|hsub|dp)p[sd]",
            "v?round[ps][sd]",
            f"v(rndscale|scalef|getexp|getmant|fixupimm|range|reduce){_FLOATS}",
            f"v(rcp14|rsqrt14|rcp28|rsqrt28|exp2){_FLOATS}",
            f"vfn?m{_FUSED}(132|213|231)?{_FLOATS}",
            "v4fn?madd[ps]s|vfc?(madd|mul)c[ps]h",
        ),
    ),
    Decision(
        "native",
        "floating-point comparison",
        (f"v?cmp{_FLOATS}", "vu?comish", f"vfpclass{_FLOATS}", "vtestp[sd]"),
    ),
    Decision(
        "native", "conversion between number formats", ("v?cvt(?!(si2s[sd]|t?s[sd]2si|ss2sd|sd2ss)$).*", "vbcstne.*")
    ),
    Decision(
        "native",
        "packed integer arithmetic",
        (
            "v?p(add|sub)(u?s)?[bwdq]",
            "v?p(mul|madd|sad|avg|abs|sign|min|max)[0-9a-z]+",
            "v?ph(add|sub)(s?w|d)|v?phminposuw|v?mpsadbw|vdbpsadbw",
            "vpdp.*|vp4dp.*|vdpbf16ps|vpternlog[dq]|vplzcnt[dq]|vpopcnt[bwdq]|vpconflict[dq]",
        ),
    ),
    Decision(
        "native",
        "packed integer comparison",
        ("v?pcmp(eq|gt)[bwdq]", "vpcmpu?[bwdq]", "v?ptest", "vptestn?m[bwdq]", "vp2intersect[dq]"),
    ),
    Decision("native", "string comparison in vectors", ("v?pcmp[ei]str[im](64)?",)),
    Decision(
        "native",
        "shifting in vectors",
        ("v?ps(ll|rl|ra)(d|w|q|dq)", "vps(ll|rl|ra)v[wdq]", "vpro[lr]v?[dq]", "vpsh[lr]dv?[wdq]", "vpmultishiftqb"),
    ),
    Decision(
        "native",
        "shuffling, blending and packing",
        (
            "v?pshuf(b|d|w|hw|lw)|vpshufbitqmb|v?shufp[sd]|vshuf[fi](32x4|64x2)",
            "v?unpck[lh]p[sd]|v?punpck[lh](bw|wd|dq|qdq)|v?pack[us]s(wb|dw)",
            "v?p?blendv?(p[sd]|[bwd])|vp?blendm(p[sd]|[bwdq])",
            "vperm(i2|t2|il)?(b|w|d|q|p[sd])|vpermi2.*|vperm2[fi]128|v?palignr|valign[dq]",
        ),
    ),
    Decision(
        "native",
        "cryptography",
        ("v?aes.*", "sha.*", "v?pclmulqdq", "v?gf2p8.*", "vsm[34].*"),
    ),
    Decision("native", "x87 arithmetic", ("fi?(add|mul|com|comp|sub|subr|div|divr)",)),
    Decision(
        "native",
        "the whole x87 and SSE state, with instruction and data pointers that `Cpu` does not have",
        ("fnstenv|fldenv|fnsave|frstor", "fx(save|rstor)(64)?"),
    ),
    Decision("native", "arithmetic in memory without an old value (RAO-INT)", ("a(add|and|or|xor)",)),
    Decision("native", "adding under a condition (CMPccXADD)", ("cmpn?(o|b|z|be|s|p|l|le)xadd",)),
    Decision("native", "configuring tiles", ("(ld|st)tilecfg",)),
    Decision("native", "sending to the processor trace", ("ptwrite",)),
    # --- what needs more than registers and memory ------------------------------------------------------------------
    Decision(
        "refused",
        "enters or leaves the kernel, which is not modelled",
        ("int|int1|int3|into|iret[dq]?|uiret|eret[su]", "syscall|sysretq?|sysenter|sysexitq?"),
    ),
    Decision(
        "refused",
        "needs descriptor tables, which are not modelled",
        ("lar|lsl|ver[rw]|lldt|ltr|sldt|str|lkgs", "[ls][gi]dt"),
    ),
    Decision(
        "refused",
        "uses control registers or other system state, which is not modelled",
        (
            "lmsw|clts|cli|sti|hlt|invlpg|invd|wbinvd|swapgs|inv(ept|vpid|pcid)",
            "rdmsr|wrmsr|(rd|wr)msrlist|rdpmc|rdtscp?|cpuid|rdrand|rdseed|rdpid",
            "pbndkb|rmpupdate",
        ),
    ),
    Decision(
        "refused", "needs a virtual machine monitor, which is not modelled", ("vm(read|write|ptrld|ptrst|clear|xon)",)
    ),
    Decision("refused", "needs a shadow stack, which is not modelled", ("wru?ss[dq]", "rstorssp|clrssbsy")),
    Decision("refused", "needs tile registers, which are not modelled", ("tile(loadd|loaddt1|stored)",)),
    Decision(
        "refused",
        "transfers the processor state that the operating system has enabled, which is not modelled",
        ("x(save|savec|saveopt|saves|rstor|rstors)(64)?",),
    ),
    Decision("refused", "needs a device that reports whether it accepted the command", ("enqcmds?",)),
    Decision("refused", "needs AMD's lightweight profiling, which no current CPU has", ("llwpcb|lwpins|lwpval",)),
    Decision(
        "refused", "prefetches for Knights Landing, by a vector of addresses", ("v(gather|scatter)pf[01][dq]p[sd]",)
    ),
    Decision(
        "refused",
        "needs VIA's PadLock, an engine with memory accesses of its own",
        ("montmul|xstore(_alt)?|xsha(1|256|512)(_alt)?|xcrypt(ecb|cbc|ctr|cfb|ofb)|ccs_(hash|encrypt)",),
    ),
    # --- what decode does not read ----------------------------------------------------------------------------------
    Decision("unread", "belongs to Knights Corner, whose encoding no other CPU has", features=frozenset(("KNC",))),
    Decision("unread", "is two instructions, WAIT and one more", ("fstenv|fstcw|fsave|fstsw",)),
    Decision("unread", "is reserved; later CPUs have another instruction there", ("reservednop",)),
    Decision("unread", "was removed from Intel's CPUs (MPX)", features=frozenset(("MPX",))),
    Decision(
        "unread",
        "exists on a few old CPUs only; others have another instruction there or none",
        ("pop", "montmul"),
        frozenset(("IA64", "UMOV", "INTEL386_A0_ONLY", "INTEL486_A_ONLY", "CYRIX_SHR", "CYRIX_SMM", "CYRIX_EMMI")),
    ),
    Decision("unread", "is Cyrix's addition to 3DNow!", features=frozenset(("CYRIX_D3NOW",))),
)
"""The first that covers an instruction counts."""


@cache
def reason(mnemonic: str) -> str:
    """Return how a sentence continues that begins with an instruction the emulator refuses."""
    return next((str(decision) for decision in DECISIONS if decision.covers(mnemonic)), "is not emulated")
