"""The faults: which text of which module is replaced by which, and which law is expected to notice.

Each was found in some emulator, or nearly made it into this one. The texts are pieces of the sources as they stand; a
test fails when one of them is no longer there, so that no fault is silently left out.
"""

from typing import Final, Literal, TypeAlias

from attrs import frozen

Law: TypeAlias = Literal[
    "silicon",
    "log equals decode.accesses",
    "nothing changes when an access raises",
    "nothing changes at a fault",
    "finished elements stay",
    "rep in steps",
    "any order of registers",
    "indivisible updates",
    "order of accesses",
]


@frozen(slots=True)
class Mutant:
    """One fault.

    Attributes:
        name: what is wrong, in words.
        module: where.
        old, new: what stands there, once, and what takes its place.
        law: the one expected to notice.
        operations: the mnemonics (string instructions without their width) to run the laws on.
    """

    name: str
    module: str
    old: str
    new: str
    law: Law
    operations: str


_LOG: Final = "log equals decode.accesses"

MUTANTS: Final = (
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
        'return f"r[{self.slots[register.index]}]"',
        'return f"r[{register.index}]"',
        "any order of registers",
        "mov",
    ),
    # --- immediates and addresses -----------------------------------------------------------------------------------
    Mutant(
        "sign extension missing in an 8-bit immediate",
        "decode.decoder",
        "value = raw.immediate(index) & (1 << 8 * width) - 1",
        'value = raw.immediate(index) & (0xFF if "8TO" in names(OpKind)[kind] else (1 << 8 * width) - 1)',
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
    # --- arithmetic -------------------------------------------------------------------------------------------------
    Mutant(
        "ADC loses the carry",
        "emulate.families.arithmetic",
        "return _sum(a, b, flags & CF, flags, width)",
        "return _sum(a, b, 0, flags, width)",
        "silicon",
        "adc",
    ),
    Mutant(
        "INC touches CF",
        "emulate.families.arithmetic",
        "    result, changed = _sum(a, 1, 0, flags, width)\n    return result, changed & ~CF | flags & CF",
        "    return _sum(a, 1, 0, flags, width)",
        "silicon",
        "inc",
    ),
    Mutant(
        "OF of a sum by the first operand alone",
        "emulate.families.arithmetic",
        "overflow = (a ^ result) & (b ^ result)",
        "overflow = a ^ result",
        "silicon",
        "add",
    ),
    Mutant(
        "AF missing in a difference",
        "emulate.families.arithmetic",
        "flags & ~STATUS | (total < 0) | (a ^ b ^ result) & AF |",
        "flags & ~STATUS | (total < 0) |",
        "silicon",
        "sub cmp",
    ),
    Mutant(
        "PF of the whole result",
        "emulate.flags",
        "return PARITY[result & 0xFF] |",
        "return (0 if result.bit_count() & 1 else PF) |",
        "silicon",
        "add",
    ),
    Mutant(
        "SAR as SHR",
        "emulate.families.shifts",
        "last = _signed(a, width) >> count - 1",
        "last = a >> count - 1",
        "silicon",
        "sar",
    ),
    Mutant(
        "shift count unmasked",
        "emulate.flags",
        "return count & (63 if width == 8 else 31)",
        "return count & 0xFF",
        "silicon",
        "shl shr",
    ),
    Mutant(
        "OF of a rotate is the old sign",
        "emulate.families.shifts",
        "return _rotated(result, result & 1, _top(a ^ a << 1, width), flags)",
        "return _rotated(result, result & 1, _top(a, width), flags)",
        "silicon",
        "rol",
    ),
    Mutant(
        "RCL goes round one bit too early",
        "emulate.families.shifts",
        "ring = _rotate_right(a | (flags & CF) << 8 * width, -count, 8 * width + 1)",
        "ring = _rotate_right(a | (flags & CF) << 8 * width, -count, 8 * width)",
        "silicon",
        "rcl",
    ),
    Mutant(
        "CF of a signed product as of an unsigned one",
        "emulate.families.multiply",
        "return _product(product, -half <= product < half, flags, width)",
        "return _product(product, 0 <= product < 2 * half, flags, width)",
        "silicon",
        "imul",
    ),
    Mutant(
        "the quotient may overflow",
        "emulate.families.multiply",
        "if quotient >> 8 * width:",
        "if False:",
        "silicon",
        "div",
    ),
    Mutant(
        "IDIV rounds down",
        "emulate.families.multiply",
        "quotient = abs(a) // abs(b) if (a < 0) == (b < 0) else -(abs(a) // abs(b))",
        "quotient = a // b",
        "silicon",
        "idiv",
    ),
    Mutant(
        "BSF of zero writes a number",
        "emulate.families.bits",
        'b.write(destination, f"({number} if {value} else {b.unchanged(destination.register)})")',
        "b.write(destination, number)",
        "silicon",
        "bsf bsr",
    ),
    # --- exchanges --------------------------------------------------------------------------------------------------
    Mutant(
        "XADD of a register with itself keeps the old value",
        "emulate.families.exchange",
        "        b.write(source, b.read(destination))\n        modify(b, add)\n",
        "        old = b.read(destination)\n        modify(b, add)\n        b.write(source, old)\n",
        "silicon",
        "xadd",
    ),
    Mutant(
        "CMPXCHG16B stores its halves swapped",
        "emulate.families.exchange",
        'f"{b.register(c)} << {8 * half} | {b.register(base)}"',
        'f"{b.register(base)} << {8 * half} | {b.register(c)}"',
        "silicon",
        "cmpxchg8b cmpxchg16b",
    ),
    Mutant(
        "CMPXCHG clears the upper half of a register that stays",
        "emulate.families.exchange",
        'b.set_register(accumulator, f"({b.unchanged(accumulator)} if',
        'b.set_register(accumulator, f"({b.register(accumulator)} if',
        "silicon",
        "cmpxchg",
    ),
    # --- stack ------------------------------------------------------------------------------------------------------
    Mutant(
        "PUSH [rsp] reads after the decrement",
        "emulate.families.stack",
        "        stack.push(b.read(source), source.width)\n",
        "        if isinstance(source, MemoryOperand) and _uses_pointer(source):\n"
        '            b.address(source, extra=f"-{source.width}")\n'
        "        stack.push(b.read(source), source.width)\n",
        "silicon",
        "push",
    ),
    Mutant(
        "POP [rsp] writes before the increment",
        "emulate.families.stack",
        "b.address(destination, extra=str(destination.width))",
        "pass",
        "silicon",
        "pop",
    ),
    Mutant(
        "PUSH moves the pointer before it writes",
        "emulate.builder",
        "lines += self._plan + self._act + _commit_lines(self._words)",
        "lines += self._plan + _commit_lines(self._words) + self._act",
        "nothing changes when an access raises",
        "push",
    ),
    Mutant(
        "a store over the end of a page writes what it can before it faults",
        "emulate.bus",
        "        offset = self._offset(address, width, True)\n"
        '        self.data[offset : offset + width] = value.to_bytes(width, "little")\n',
        '        for place, byte in enumerate(value.to_bytes(width, "little"), address):\n'
        "            self.data[self._offset(place, 1, True)] = byte\n",
        "silicon",
        "mov",
    ),
    Mutant(
        "a division faults after its registers were written",
        "emulate.families.multiply",
        '    dividend = f"{b.register(upper)} << {8 * source.width} | {b.register(lower)}"\n',
        '    dividend = f"{b.register(upper)} << {8 * source.width} | {b.register(lower)}"\n'
        '    b.act(f"{b.word(upper)} ^= 1 << 8")\n',
        "nothing changes at a fault",
        "div idiv",
    ),
    # --- strings ----------------------------------------------------------------------------------------------------
    Mutant(
        "REP counts by the operand size",
        "emulate.families.strings",
        "(REGISTERS[name] for name in _INDEXES[memories[0].address_width])",
        "(REGISTERS[name] for name in _INDEXES[max(width, 2)])",
        "silicon",
        "movs stos",
    ),
    Mutant(
        "a segment override applied to ES",
        "emulate.families.strings",
        "_pointer(b, destination, 7, width), b.slots)\n",
        "_pointer(b, source or destination, 7, width), b.slots)\n",
        "silicon",
        "movs cmps",
    ),
    Mutant(
        "DF ignored",
        "emulate.families.strings",
        "distance = -elements * width if r[flags] & DF else elements * width",
        "distance = elements * width",
        "silicon",
        "movs stos lods",
    ),
    Mutant(
        "CMPS reads its source first",
        "emulate.families.strings",
        "    string.compare(cpu, answer.read(bus, source, string.width), second)\n",
        "    first = answer.read(bus, source, string.width)\n"
        "    string.compare(cpu, first, answer.read(bus, destination, string.width))\n",
        _LOG,
        "cmps",
    ),
    Mutant(
        "CMPS reads its source first, and decode says so, too",
        "decode.decoder",
        "memories = [o for o in reversed(operands) if isinstance(o, MemoryOperand)]",
        'memories = [o for o in operands[:: 1 if string == "cmps" else -1] if isinstance(o, MemoryOperand)]',
        "order of accesses",
        "cmps",
    ),
    Mutant(
        "REP with a count of zero does one element",
        "emulate.families.strings",
        "        if not r[cx] & address_mask and not amd:\n",
        "        r[cx] = r[cx] if r[cx] & address_mask else merge(r[cx], counter, 1)\n"
        "        if not r[cx] & address_mask and not amd:\n",
        "silicon",
        "movs stos",
    ),
    Mutant(
        "SCAS compares the other way round",
        "emulate.families.strings",
        "string.compare(cpu, string.accumulator(cpu), answer.read(bus, destination, string.width))",
        "string.compare(cpu, answer.read(bus, destination, string.width), string.accumulator(cpu))",
        "silicon",
        "scas",
    ),
    Mutant(
        "REPE and REPNE mixed up",
        "emulate.families.strings",
        'stop = {"repe": 0, "repne": ZF}.get(instruction.rep)',
        'stop = {"repe": ZF, "repne": 0}.get(instruction.rep)',
        "silicon",
        "scas cmps",
    ),
    Mutant(
        "an interrupted REP does its last element again",
        "emulate.families.strings",
        "                if not amd:\n",
        "                r[cx] = merge(r[cx], counter, (r[cx] & address_mask) + 1)\n                if not amd:\n",
        "finished elements stay",
        "movs stos",
    ),
    Mutant(
        "the bound of a REP is not kept",
        "emulate.families.strings",
        "                budget -= done\n",
        "                pass\n",
        "rep in steps",
        "stos movs",
    ),
)
"""Every fault, by what it is about."""

CONTROL: Final = Mutant(
    "no fault",
    "emulate.flags",
    "STATUS: Final =",
    "STATUS: Final =",
    "silicon",
    " ".join(sorted({operation for mutant in MUTANTS for operation in mutant.operations.split()})),
)
"""The sources as they are, on everything the mutants are run on: a law that fails here says nothing of them."""
