"""Faults in registers, immediates, addresses, and in what the bus sees.

Each was found in some emulator, or nearly made it into this one.
"""

from typing import Final

from tests.mutants.mutant import Mutant

_LOG: Final = "log equals decode.accesses"

OPERANDS: Final = (
    # --- registers --------------------------------------------------------------------------------------------------
    Mutant(
        "a 32-bit load does not clear the upper half",
        "decode.registers",
        "if self.file == GENERAL and self.width == 4:",
        "if False:",
        "silicon",
        "mov",
    ),
    Mutant(
        "AH taken for SPL",
        "decode.registers",
        'Register(name, GENERAL, index, 1, 8) for index, name in enumerate(("ah", "ch", "dh", "bh"))]',
        'Register(name, GENERAL, index, 1) for index, name in enumerate(("ah", "ch", "dh", "bh"), start=4)]',
        "silicon",
        "mov",
    ),
    Mutant(
        "VEX does not clear the upper part",
        "emulate.builder",
        "keep = 0 if vector else register.keep",
        "keep = register.keep",
        "silicon",
        "vmovups",
    ),
    Mutant(
        "SSE clears the upper part",
        "emulate.builder",
        'vector = register.file == VECTOR and self.instruction.encoding != "legacy"',
        "vector = register.file == VECTOR",
        "silicon",
        "movups",
    ),
    Mutant(
        "registers looked for at their number instead of their slot",
        "emulate.builder",
        'return self._element("r", self.slots[register.index])',
        'return self._element("r", register.index)',
        "any order of registers",
        "mov",
    ),
    # --- immediates and addresses -----------------------------------------------------------------------------------
    Mutant(
        "sign extension missing in an 8-bit immediate",
        "decode.decoder",
        "value = raw.immediate(index) & (1 << 8 * width) - 1",
        "extended = kind in (OpKind.IMMEDIATE8TO16, OpKind.IMMEDIATE8TO32, OpKind.IMMEDIATE8TO64)\n"
        "        value = raw.immediate(index) & (0xFF if extended else (1 << 8 * width) - 1)",
        "silicon",
        "add",
    ),
    Mutant(
        "RIP-relative from the instruction's start",
        "emulate.builder",
        "constant += self.instruction.length",
        "constant += 0",
        "silicon",
        "mov",
    ),
    Mutant(
        "16-bit addresses do not wrap",
        "emulate.builder",
        "mask = (1 << 8 * operand.address_width) - 1",
        "mask = (1 << 8 * max(4, operand.address_width)) - 1",
        "silicon",
        "mov",
    ),
    Mutant(
        "non-canonical addresses pass",
        "emulate.builder",
        "if width and self.bits == 64:",
        "if self.bits == 64 and width < 0:",
        "silicon",
        "mov push pop",
    ),
    Mutant(
        "segment limits are not checked",
        "emulate.builder",
        "self.plan(f\"if l: {self.call(address.check_limit, 'l', named, name, width)}\")",
        "pass",
        "silicon",
        "mov",
    ),
    Mutant(
        "MOVAPS takes any address",
        "emulate.masking",
        "    if isinstance(operand, MemoryOperand):\n        b.address(operand, alignment",
        "    if False:\n        b.address(operand, alignment",
        "silicon",
        "movaps vmovaps",
    ),
    Mutant(
        "bit offset unsigned",
        "emulate.families.bits",
        'element = f"((({b.read(offset)} ^ {half:#x}) - {half:#x}) >> {(8 * offset.width).bit_length() - 1})"',
        'element = f"({b.read(offset)} >> {(8 * offset.width).bit_length() - 1})"',
        "silicon",
        "bt bts btr btc",
    ),
    # --- what the bus sees ------------------------------------------------------------------------------------------
    Mutant(
        "MOVSX reads twice",
        "emulate.families.moves",
        "    half = 1 << 8 * source.width - 1\n",
        "    half = 1 << 8 * source.width - 1\n    b.read(source)\n",
        _LOG,
        "movsx movsxd",
    ),
    Mutant(
        "a store reads first",
        "emulate.families.moves",
        "    else:\n        b.write(destination, b.read(source))\n",
        "    else:\n        b.read(destination)\n        b.write(destination, b.read(source))\n",
        _LOG,
        "mov",
    ),
    Mutant(
        "mov qword [m],imm32 stores four bytes",
        "emulate.families.moves",
        "    else:\n        b.write(destination, b.read(source))\n",
        "    elif isinstance(destination, MemoryOperand) and b.instruction.form == 'MOV_RM64_IMM32':\n"
        "        b.act(f'bus.write({b.address(destination)}, 4, {b.read(source)} & 0xffffffff)')\n"
        "    else:\n        b.write(destination, b.read(source))\n",
        "silicon",
        "mov",
    ),
    Mutant(
        "a read-modify-write reads twice",
        "emulate.recipes",
        "    else:\n        old = b.read(destination)\n",
        "    else:\n        b.read(destination)\n        old = b.read(destination)\n",
        _LOG,
        "add",
    ),
    Mutant(
        "an unchanged value is not stored",
        "emulate.recipes",
        "        b.write(destination, value)\n    b.set_flags(flags)\n    return old",
        "        b.write(destination, value) if not isinstance(destination, MemoryOperand) else b.act(\n"
        '            f"if {value} != {old}: bus.write({b.address(destination)}, {destination.width}, {value})")\n'
        "    b.set_flags(flags)\n    return old",
        _LOG,
        "or and",
    ),
    Mutant(
        "a failed CMPXCHG does not write back",
        "emulate.families.exchange",
        "    b.write(destination, stored(old))\n    return old",
        '    b.act(f"if {old} == {expected}: bus.write({b.address(destination)}, {destination.width}, {new})")\n'
        "    return old",
        _LOG,
        "cmpxchg cmpxchg8b",
    ),
    Mutant(
        "a false CMOV does not read",
        "emulate.families.conditions",
        "value, holds = b.read(source), condition(b, b.instruction.mnemonic[4:])",
        "holds = condition(b, b.instruction.mnemonic[4:])\n"
        "    in_memory = not isinstance(source, RegisterOperand)\n"
        '    value = f"bus.read({b.address(source)}, {source.width})" if in_memory else b.read(source)',
        _LOG,
        "cmove cmovb cmovl",
    ),
    Mutant(
        "SETcc reads what it overwrites",
        "emulate.families.conditions",
        "    (destination,) = b.instruction.operands\n",
        "    (destination,) = b.instruction.operands\n    b.read(destination)\n",
        _LOG,
        "sete setb",
    ),
    Mutant(
        "a masked-off element is touched",
        "emulate.masking",
        'b.plan(f"{elements} = {b.call(access.selected, b.register(access.selector))}")',
        'b.plan(f"{elements} = {(1 << operand.width // access.element) - 1}")',
        _LOG,
        "vmovdqu8 vmovups",
    ),
    Mutant(
        "LOCK dropped",
        "emulate.builder",
        'return self.local(self.call(locked, "bus", place, operand.width, new), "m")',
        'self.act(f"old = bus.read({place}, {operand.width})")\n'
        "        self.act(f\"bus.write({place}, {operand.width}, {operation('old')})\")\n"
        '        return "old"',
        "indivisible updates",
        "add inc",
    ),
    Mutant(
        "XCHG not locked",
        "emulate.families.moves",
        "b.write(second, b.update(first, lambda old: new))",
        "old = b.read(first)\n        b.write(first, new)\n        b.write(second, old)",
        "indivisible updates",
        "xchg",
    ),
)
