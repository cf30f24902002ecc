"""Faults in the patching of instructions."""

from typing import Final

from tests.mutants.mutant import MmioMutant

PATCHING: Final = (
    MmioMutant(
        "jumps that end in an instruction stay when it is patched",
        "mmio.patching.sites",
        "        dependent = self._withdrawn(site.address, site.end)\n        before",
        "        dependent: list[Site] = []\n        before",
        "patching/test_sites.py::test_any_order_of_patches_leads_back",
    ),
    MmioMutant(
        "jumps that end in an instruction stay when it is taken back",
        "mmio.patching.sites",
        "        dependent = self._withdrawn(site.address, site.end)\n        self._restore(site)\n",
        "        dependent: list[Site] = []\n        self._restore(site)\n",
        "patching/test_sites.py::test_any_order_of_patches_leads_back",
    ),
    MmioMutant(
        "other code at the address of a site is taken for it",
        "mmio.patching.sites",
        "not in (site.original, site.patched):",
        "== b'':",
        "patching/test_sites.py::test_other_code_at_the_same_address_is_left_alone",
    ),
    MmioMutant(
        "the displacement behind a prefix counts from the wrong place",
        "mmio.patching.jumps",
        "        origin = site + prefixes + JUMP\n",
        "        origin = site + JUMP\n",
        "patching/test_jumps.py::test_a_jump_leads_to_its_place",
    ),
    MmioMutant(
        "a stub answers past the end of its range",
        "mmio.patching.stub",
        '    short("77", _MISS)  # ja\n',
        "    pad(34)\n",
        "inprocess/test_patching.py::test_accesses_are_counted",
    ),
    MmioMutant(
        "the stack pointer of an operand is that in the stub",
        "decode.load_address",
        "        displacement += pushed\n",
        "        pass\n",
        "patching/test_stub.py::test_the_address_is_that_of_the_operand",
    ),
    MmioMutant(
        "a protection fault of a copy is taken for a halt",
        "mmio.inprocess.trap",
        "slot = None if regs[COPY] else self",
        "slot = self",
        "inprocess/test_patching.py::test_a_fault_elsewhere_is_the_original_s",
    ),
    MmioMutant(
        "text is not restored when nothing is mapped any more",
        "mmio.inprocess.trap",
        "        trapped_ranges.closing = self.patching.take_all_back\n",
        "",
        "inprocess/test_patching.py::test_a_fault_elsewhere_is_the_original_s",
    ),
    MmioMutant(
        "a stub is aimed at a mapping that is closed",
        "mmio.inprocess.trap",
        "        trapped_ranges.released = self.patching.released\n",
        "",
        "inprocess/test_patching.py::test_a_closed_mapping_is_not_answered",
    ),
    MmioMutant(
        "a protection fault at the first patch of all is the program's",
        "mmio.inprocess.patching",
        "            self._ranges.expect_halts()\n",
        "",
        "inprocess/test_patching.py::test_the_first_patch_of_all_meets_busy_threads",
    ),
    MmioMutant(
        "a site is known only when its text has changed",
        "mmio.patching.sites",
        "        before = self._sites.get(address)\n        self._sites[address] = site  #",
        "        before = site  #",
        "inprocess/test_patching.py::test_the_first_patch_of_all_meets_busy_threads",
    ),
    MmioMutant(
        "threads that block SIGSEGV are not looked for",
        "mmio.inprocess.patching",
        "        if any(_runs_with_sigsegv_blocked(thread) for thread in threads(os.getpid())):\n",
        "        if False:\n",
        "inprocess/test_patching.py::test_a_thread_that_runs_with_the_signal_blocked_keeps_code_as_it_is",
    ),
    MmioMutant(
        "the handler reads the code of a long instruction as it stands",
        "mmio.live.signal_frame",
        "without_patches(address, string_at(address, length))",
        "string_at(address, length)",
        "inprocess/test_patching.py::test_an_instruction_of_more_than_eight_bytes",
    ),
    MmioMutant(
        "state that no frame has room for is lost",
        "mmio.linux.stub_entry",
        "    0f852c020000             jne 0000000000000635h             unsaved\n",
        "    0f8500000000             jne 0000000000000409h             unsaved\n",
        "inprocess/test_patching.py::test_state_that_no_frame_has_room_for_takes_a_signal",
    ),
    MmioMutant(
        "what a program reads apart has a number in the program's table",
        "mmio.linux.own_table",
        "    if own_descriptors.first_reserved() is not None:\n        try:\n            return _apart(",
        "    if False:\n        try:\n            return _apart(",
        "linux/test_own_table.py::test_no_number_of_the_process_is_used",
    ),
)
