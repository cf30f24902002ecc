"""What real code uses on memory: every instruction of compiled drivers, counted by what becomes of it.

    python -m benchmarks.survey FOLDER ...

Each ELF file below a folder is disassembled from start to end of its executable sections, and every instruction with a
memory operand is counted by its form. The modules of a Debian kernel and the user-space drivers of DPDK are had with

    apt-get download linux-image-6.1.0-56-amd64 && dpkg -x linux-image-6.1*.deb kernel
    apt-get download $(apt-cache search '^librte-' | cut -d' ' -f1) ibverbs-providers
    for package in librte-*.deb ibverbs-*.deb; do dpkg -x $package user; done
    python -m benchmarks.survey kernel/lib/modules/*/kernel/drivers user
"""

import sys
from collections import Counter
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from iced_x86 import Code, Decoder, OpKind

from emulate.coverage import coverage

_FORMS = {value: name for name, value in vars(Code).items() if isinstance(value, int)}


def executable_sections(path: Path) -> Iterator[bytes]:
    """Yield the contents of the executable sections of an x86-64 ELF file; nothing for any other file."""
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return
        elf = ELFFile(file)
        if elf["e_machine"] == "EM_X86_64":
            for section in elf.iter_sections():
                if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and section["sh_type"] == "SHT_PROGBITS":
                    yield section.data()


def count(path: Path) -> Counter[str]:
    """Count the forms with a memory operand in one file."""
    found: Counter[str] = Counter()
    for section in executable_sections(path):
        for instruction in Decoder(64, section):
            kinds = [instruction.op_kind(index) for index in range(instruction.op_count)]
            if any(kind >= OpKind.MEMORY_SEG_SI for kind in kinds) and _FORMS[instruction.code] in _TOUCHING:
                found[_FORMS[instruction.code]] += 1
    return found


_FATES = {entry.form.name: entry.fate for entry in coverage()}
_TOUCHING = frozenset(_FATES)


def main() -> None:
    """Print, for each folder, how many instructions each fate has and which forms are not emulated."""
    for folder in sys.argv[1:]:
        files = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
        with Pool() as pool:
            forms = sum(pool.imap_unordered(count, files, chunksize=16), Counter[str]())
        total = sum(forms.values())
        fates: Counter[str] = Counter()
        for form, times in forms.items():
            fates[_FATES[form]] += times
        print(f"{folder}: {total:,} instructions with a memory operand, {len(forms)} forms")
        for fate, times in fates.most_common():
            print(f"  {fate:10} {times:>10,}  {100 * times / total:.3f} %")
        rest = [(form, times) for form, times in forms.most_common() if _FATES[form] != "emulated"]
        print("  not emulated, most frequent:", ", ".join(f"{form} {times:,}" for form, times in rest[:12]) or "none")
        refused = [(form, times) for form, times in rest if _FATES[form] != "native"]
        print("  neither emulated nor native:", ", ".join(f"{form} {times:,}" for form, times in refused) or "none")


if __name__ == "__main__":
    main()
