"""Faults in the patching of instructions of hosted programs."""

from typing import Final

from tests.mutants.mutant import MmioMutant

HOSTED_PATCHING: Final = (
    MmioMutant(
        "the address of a call of a stub is not looked at",
        "mmio.hosted.faults",
        "if cached.port is None and not thread.process.traps(regs[fault]):",
        "if False:",
        "hosted/test_patching.py::test_what_is_not_trapped_is_accessed_by_the_cpu",
    ),
    MmioMutant(
        "text that is changed keeps its jumps",
        "mmio.hosted.run_loop",
        "                if call.number in _TEXT_CALLS:\n",
        "                if False:\n",
        "hosted/test_patching.py::test_text_that_the_program_changes",
    ),
    MmioMutant(
        "the only thread's signal stack is every thread's",
        "mmio.hosted.run_loop",
        "        self._crossing.words[ONLY_STACK] = 0\n",
        "        pass\n",
        "hosted/test_patching.py::test_threads_share_patched_instructions",
    ),
    MmioMutant(
        "a handler sees where pagetrap is",
        "mmio.hosted.faults",
        "        if not self._patching.rewind(frame.regs, stepped=stepped):\n",
        "        if True:\n",
        "hosted/test_patching.py::test_a_signal_that_comes_while_the_device_answers",
    ),
    MmioMutant(
        "a register is not put back before the access",
        "mmio.hosted.rewinding",
        "        if not way.done:\n            regs[RAX]",
        "        if way.done:\n            regs[RAX]",
        "hosted/test_rewinding.py::test_before_the_access_it_is_the_instruction",
    ),
    MmioMutant(
        "the jump of a step is one of the program's steps",
        "mmio.hosted.patching",
        "        if stepped and slot is not None and ip == slot:\n",
        "        if False:\n",
        "hosted/test_patching.py::test_steps_by_the_trap_flag",
    ),
    MmioMutant(
        "stubs of a program are known after execve",
        "mmio.hosted.run_loop",
        "        self.patching.end()\n        self._area.clear()\n",
        "        self._area.clear()\n",
        "hosted/test_patching.py::test_vfork_and_execve",
    ),
    MmioMutant(
        "an executable at a low address is patched",
        "mmio.hosted.patching",
        "        if ip not in AREA:\n",
        "        if False:\n",
        "hosted/test_patching.py::test_an_executable_at_a_low_address",
    ),
    MmioMutant(
        "a jump into an instruction goes to the copy of what is not there",
        "mmio.patching.sites",
        "known = offset in self.starts and self",
        "known = self",
        "hosted/test_followers.py::test_a_jump_into_the_middle_of_one",
    ),
    MmioMutant(
        "jumps that are more than calls stay signals",
        "mmio.patching.sites",
        " and self.entries <= self.calls + ENTRIES",
        "",
        "hosted/test_followers.py::test_jumps_that_are_more_than_calls_end_it",
    ),
    MmioMutant(
        "a handler sees the copy of an instruction behind",
        "mmio.hosted.rewinding",
        "        if offset > stub.COPY:  # the",
        "        if False:  # the",
        "hosted/test_followers.py::test_steps_by_the_trap_flag",
    ),
    MmioMutant(
        "a child cannot change its text",
        "mmio.hosted.patching",
        "        self._memory.memory_file = memory_file\n",
        "        pass\n",
        "hosted/test_followers.py::test_children",
    ),
    MmioMutant(
        "an instruction from which no jump led is not tried again",
        "mmio.hosted.patching",
        "                    self._try_neighbours(ip)\n",
        "",
        "hosted/test_followers.py::test_neighbours",
    ),
    MmioMutant(
        "pages of stubs are handed out",
        "mmio.hosted.program_area",
        "        self._taken.append(wanted)\n",
        "",
        "hosted/test_program_area.py::test_pages_for_stubs_are_the_areas",
    ),
)
