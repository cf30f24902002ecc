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
        "        if not self._patching.rewind(frame, stepped=stepped):\n",
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
        "pages of stubs are handed out",
        "mmio.hosted.program_area",
        "        self._taken.append(wanted)\n",
        "",
        "hosted/test_program_area.py::test_pages_for_stubs_are_the_areas",
    ),
    MmioMutant(
        "a device is called directly after the map of a program has changed",
        "mmio.hosted.patching",
        "        process.space.memory.changed = process.space.ports.changed = self.direct.end_all\n",
        "",
        "hosted/test_direct_calls.py::test_all_ways_do_the_same_in_a_hosted_program",
    ),
    MmioMutant(
        "a program's thread that has ended leaves its number to the next",
        "mmio.hosted.run_loop",
        "            self._frames.dropped = lambda thread: self.patching.direct.forget(thread.signals.start)\n",
        "",
        "hosted/test_direct_calls.py::test_thread_numbers_are_not_inherited",
    ),
    MmioMutant(
        "direct calls are made while children are served",
        "mmio.hosted.run_loop",
        "                    self.patching.direct.forbid()  #",
        "                    pass  #",
        "hosted/test_direct_calls.py::test_after_a_fork_accesses_take_turns",
    ),
    MmioMutant(
        "a load that a signal interrupts before its value is taken is left behind",
        "mmio.hosted.rewinding",
        "        if way.value:\n",
        "        if False:\n",
        "hosted/test_direct_calls.py::test_a_handler_sees_the_result_of_a_load_and_may_change_it",
    ),
    MmioMutant(
        "a store of a program without a stack faults",
        "mmio.hosted.direct_stubs",
        "    4889442488               mov [rsp-78h],rax                faults here if there is too little stack\n",
        "    0f1f440000               nop dword ptr [rax+rax]           none if there is too little stack\n",
        "hosted/test_direct_calls.py::test_a_store_of_a_program_without_a_stack",
    ),
    MmioMutant(
        "virtual time passes a thread by that calls a device directly",
        "mmio.hosted.virtual_waits",
        "                if thread.calls_device:\n",
        "                if False:\n",
        "hosted/test_direct_calls.py::test_virtual_time_waits_for_a_thread_in_a_device",
    ),
    MmioMutant(
        "the answer of a port goes to memory",
        "mmio.live.direct_calls",
        "        route: Route = bus if cached.port is None else bus.ports\n",
        "        route: Route = bus\n",
        "hosted/test_direct_calls.py::test_an_answer_that_is_no_plain_int",
    ),
)
