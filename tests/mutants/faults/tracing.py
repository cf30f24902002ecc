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
        "            self.leave_slot(thread)\n            thread.resume(number)",
        "            self.leave_slot(thread)\n            thread.resume()",
        "ptrace/test_event_loop.py::test_signals_stay_the_programs",
    ),
    MmioMutant(
        "vector registers that were changed are not given back",
        "mmio.ptrace.frame",
        "        if self.fetched:\n            self._exchange(ptrace_requests.SETREGSET",
        "        if not self.fetched:\n            self._exchange(ptrace_requests.SETREGSET",
        "test_sources.py::test_all_sources_record_the_same",
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
