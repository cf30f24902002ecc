"""Faults in mmio's engine that traces other processes."""

from typing import Final

from tests.mutants.mutant import MmioMutant

TRACING: Final = (
    MmioMutant(
        "a child has its parent's process",
        "mmio.ptrace.event_loop",
        "Thread(pid, maker.process if shared else maker.process.forked(pid))",
        "Thread(pid, maker.process)",
        "ptrace/test_event_loop.py::test_a_childs_mappings_are_its_own",
    ),
    MmioMutant(
        "a signal for a thread is swallowed",
        "mmio.ptrace.event_loop",
        "            self.leave_copy(thread)\n            thread.resume(number)",
        "            self.leave_copy(thread)\n            thread.resume()",
        "ptrace/test_event_loop.py::test_signals_stay_the_programs",
    ),
    MmioMutant(
        "a page beyond its file is a segmentation fault",
        "mmio.ptrace.faults",
        "    if isinstance(fault, BeyondEnd):\n"
        "        number, code, address = number.__class__(_SIGBUS), _ADRERR, thread.info.address\n",
        "",
        "hosted/test_engines.py::test_beyond_the_end_of_a_file_is_a_bus_error",
    ),
    MmioMutant(
        "a fault beyond a file's end says what an alignment fault does",
        "mmio.ptrace.faults",
        "_ADRERR = 2",
        "_ADRERR = 1",
        "hosted/test_engines.py::test_beyond_the_end_of_a_file_is_a_bus_error",
    ),
    MmioMutant(
        "an access that cannot be explained is performed",
        "mmio.ptrace.faults",
        "    elif not site.reaches(frame, info.address):\n        _missed(thread, site)\n",
        "",
        "ptrace/test_tracer.py::test_an_access_that_cannot_be_explained_is_refused",
    ),
    MmioMutant(
        "what a program did at real ports is not met",
        "mmio.ptrace.faults",
        "            thread.process.targets.met.update(thread.process.targets.ports)\n",
        "            pass\n",
        "program/test_ports.py::test_a_port_without_the_right_to_it_faults",
    ),
    MmioMutant(
        "vector registers that were changed are not given back",
        "mmio.ptrace.frame",
        "        if self.fetched:\n            self._exchange(ptrace_requests.SETREGSET",
        "        if not self.fetched:\n            self._exchange(ptrace_requests.SETREGSET",
        "test_sources.py::test_all_sources_record_the_same",
    ),
    MmioMutant(
        "an access one byte over the watched ones is theirs",
        "mmio.ptrace.instruction_cache",
        "if self.place is not None and 0 <= address - self.place(frame.regs) < self.width:",
        "if self.place is not None and 0 <= address - self.place(frame.regs) <= self.width:",
        "ptrace/test_instruction_cache.py::test_an_access_reaches_exactly_its_bytes",
    ),
    MmioMutant(
        "a native access of another process is recorded as emulated",
        "mmio.ptrace.out_of_line",
        "    with marked(thread.bus, NATIVE):\n        for direction, at, width in touches:",
        "    if True:\n        for direction, at, width in touches:",
        "ptrace/test_out_of_line.py::test_a_fault_in_the_copy_is_the_originals",
    ),
    MmioMutant(
        "a copy is reused while somebody is in it",
        "mmio.ptrace.out_of_line_slots",
        "            if copy.taken:\n                continue\n",
        "",
        "ptrace/test_out_of_line_slots.py::test_nobody_is_given_a_copy_that_somebody_is_in",
    ),
    MmioMutant(
        "rights to ports are lost at exec",
        "mmio.ptrace.process",
        "        process.port_rights.granted = self.port_rights.granted\n",
        "",
        "program/test_ports.py::test_rights_are_inherited",
    ),
    MmioMutant(
        "SIGSEGV is blocked when all signals are",
        "mmio.ptrace.sigmask",
        '(mask & ~_BIT).to_bytes(_SIZE, "little")',
        'mask.to_bytes(_SIZE, "little")',
        "ptrace/test_sigmask.py::test_a_handler_survives_threads_that_block_it",
    ),
    MmioMutant(
        "a program that blocks SIGSEGV is not shown so",
        "mmio.ptrace.sigmask",
        '"little") | _BIT\n',
        '"little")\n',
        "ptrace/test_sigmask.py::test_a_handler_survives_threads_that_block_it",
    ),
    MmioMutant(
        "the other threads never get their turn",
        "mmio.ptrace.waiting",
        "self._turn = (self._turn + 1) % len(pids)",
        "self._turn = 0",
        "ptrace/test_waiting.py::test_every_thread_gets_its_turn",
    ),
)
