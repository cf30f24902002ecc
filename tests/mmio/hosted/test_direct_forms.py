"""Every plain form in a hosted program, when the device is called directly: as the CPU does it on memory."""

import random
from pathlib import Path

import pytest

from decode import decode
from emulate.flags import undefined
from mmio.patching.direct import plain
from tests.mmio.hosted.test_patching import host
from tests.mmio.inprocess.execute import harmless
from tests.mmio.inprocess.forms import PLACE, registers, suitable
from tests.mmio.ptrace.programs import device_file, program

pytestmark = [pytest.mark.cpu("XSAVEC"), pytest.mark.silicon]

_STATUS_FLAGS = 0xCD5  # the arithmetic flags and DF

# Executes an instruction with all registers as in `given`, and stores them into `got`.
EXECUTOR = """
static struct state {
    uint64_t general[16], flags;
    char xsave[2816] __attribute__((aligned(64)));
} given __attribute__((aligned(64), used)), got __attribute__((aligned(64), used));
static __attribute__((used)) uint64_t stack, slot;
static __attribute__((used)) unsigned control = 0x1f80;
#define EACH(what) what(0, rax) what(8, rcx) what(16, rdx) what(24, rbx) what(32, rsi) what(48, rbp) \\
    what(56, r8) what(64, r9) what(72, r10) what(80, r11) what(88, r12) what(96, r13) what(104, r14) what(112, r15)
#define LOAD(offset, name) "mov given+" #offset "(%%rip),%%" #name "\\n"
#define STORE(offset, name) "mov %%" #name ",got+" #offset "(%%rip)\\n"
static __attribute__((noinline)) void execute(void *code) {
    slot = (uint64_t)code;
    memset(&got, 0, sizeof got);
    __asm__ volatile(
        "push %%rbp; push %%rbx; sub $256,%%rsp; mov %%rsp,stack(%%rip)\\n"
        "mov $7,%%eax; xor %%edx,%%edx; xrstor64 given+192(%%rip)\\n"
        "push given+128(%%rip); popfq\\n"
        EACH(LOAD) "mov given+40(%%rip),%%rdi\\n"
        "call *slot(%%rip)\\n"
        "mov %%rdi,got+40(%%rip)\\n" EACH(STORE)
        "mov stack(%%rip),%%rsp; pushfq; pop got+128(%%rip)\\n"
        "mov $7,%%eax; xor %%edx,%%edx; xsave64 got+192(%%rip)\\n"
        "cld; fninit; ldmxcsr control(%%rip); add $256,%%rsp; pop %%rbx; pop %%rbp"
        : : : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    memset(got.xsave + 512, 0, 64);   // which components are in use
}
"""
MAIN = """
static const unsigned char contents[] = { CONTENTS };
static __attribute__((noinline)) unsigned char byte(volatile unsigned char *p) { return *p; }
static char memory[4096] __attribute__((aligned(4096)));
static struct state expected __attribute__((aligned(64)));
int main(int argc, char **argv) {
    char *device = (char *)map(argv[1], PROT_READ | PROT_WRITE);
    if (ioperm(0x80, 2, 1)) return 1;
    for (unsigned form = 0; form < sizeof forms / sizeof *forms; form++) {
        for (int i = 0; i < 15; i++) given.general[i] = 0x123456789abcdef1 * (i + 1) + form;
        given.general[1] = 5;
        given.flags = 0x202;
        memcpy(given.xsave, contents, 512);
        memset(given.xsave + 512, 0, sizeof given.xsave - 512);
        *(uint16_t *)given.xsave = 0x37f, *(uint16_t *)(given.xsave + 2) = 0, given.xsave[4] = 0;
        *(uint32_t *)(given.xsave + 24) = 0x1f80;
        given.xsave[512] = form & 1 ? 3 : 2;   // XSTATE_BV: x87 in use, or not
        memcpy(memory, contents, sizeof contents);
        given.general[4] = (uint64_t)memory + PLACE;
        execute(forms[form].code);
        memcpy(&expected, &got, sizeof got);
        given.general[4] = (uint64_t)device + PLACE;
        for (int i = 0; i < 3; i++) {
            outb(0, 0x80);   // the device has its contents again
            execute(forms[form].code);
        }
        if (got.general[4] == (uint64_t)device + PLACE) got.general[4] = expected.general[4];
        got.flags &= forms[form].flags, expected.flags &= forms[form].flags;
        int other = memcmp(&got, &expected, sizeof got) != 0;
        outb(form & 0xff, 0x81), outb(form >> 8, 0x81);
        for (int i = PLACE; i < PLACE + 64; i++)
            other |= 2 * (byte((void *)(device + i)) != (unsigned char)memory[i]);
        if (other) printf("%s: %s\\n", forms[form].name, other & 1 ? "registers" : "memory");
    }
    return 0;
}
"""
MODEL = """
model.data, model.now, model.forms = bytearray(4096), 0, 0
def read(offset, width):
    model.now = called_directly()
    return int.from_bytes(model.data[offset:offset + width], "little")
def write(offset, width, value):
    model.now = called_directly()
    model.data[offset:offset + width] = value.to_bytes(width, "little")
model.read, model.write = read, write
class Ports:
    def read(self, offset, width):
        return 0
    def write(self, offset, width, value):
        if offset:
            model.direct, model.now = model.direct + model.now, 0
        else:
            model.data[:512] = CONTENTS
host.map_file(sys.argv[1], model); host.map_ports(0x80, 2, Ports())
"""


def test_every_plain_form_is_as_on_memory(tmp_path: Path) -> None:
    """The third time, when the device is called directly: registers and bytes are those of the CPU on memory."""
    forms = [form for form in suitable() if plain(decode(form.examples[64]))]
    contents = harmless(random.Random(1), 512)
    table: list[str] = []
    for form in forms:
        code = form.examples[64]
        defined = _STATUS_FLAGS & ~undefined(decode(code), registers(form).get("rcx", 0) & 0xFF)
        table.append(f'{{form_{len(table)}, {defined}, "{form.name}"}}')
    texts = (
        f'"form_{number}: .byte {",".join(map(str, form.examples[64]))}; ret; .skip 16\\n"'
        for number, form in enumerate(forms)
    )
    names = (f"extern char form_{number}[];" for number in range(len(forms)))
    source = (
        f'__asm__(".text\\n" {" ".join(texts)});\n{" ".join(names)}\n'
        f"static const struct {{ void *code; uint64_t flags; const char *name; }} forms[] = {{ {', '.join(table)} }};\n"
    )
    main = MAIN.replace("CONTENTS", ",".join(map(str, contents))).replace("PLACE", str(PLACE))
    path = device_file(tmp_path)
    built = program(EXECUTOR + source + main)
    run = host(path, [built, str(path)], target=MODEL.replace("CONTENTS", repr(contents)))
    assert (run.status, run.output) == (0, "")
    assert run.direct > 60
