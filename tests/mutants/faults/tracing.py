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
    MmioMutant(
        "a child of vfork is stopped while its maker waits for it",
        "mmio.ptrace.detaching",
        "thread.pid not in self._asked and not self._is_awaited(thread)",
        "thread.pid not in self._asked",
        "ptrace/test_detaching.py::test_detach_at_any_stop",
    ),
    MmioMutant(
        "a thread that was killed at rest stays at its last stop",
        "mmio.ptrace.detaching",
        "            _let_end(thread.pid)\n",
        "            pass\n",
        "ptrace/test_detaching.py::test_detach_at_any_stop",
    ),
    MmioMutant(
        "a thread that executes a program keeps its number for the tracer",
        "mmio.ptrace.event_loop",
        "            self._take_number(pid)\n",
        "            pass\n",
        "ptrace/test_event_loop.py::test_exec_in_a_thread ptrace/test_detaching.py::test_detach_at_any_stop",
    ),
    MmioMutant(
        "a first thread that ends is let go before another has executed",
        "mmio.ptrace.detaching",
        "if event == ptrace_requests.EVENT_EXIT and thread.group != pid:",
        "if event == ptrace_requests.EVENT_EXIT:",
        "ptrace/test_detaching.py::test_detach_at_any_stop",
    ),
    MmioMutant(
        "slots may be half made in a child",
        "mmio.live.own_slots",
        "_lock: Final = held_by_fork()",
        "_lock: Final = __import__('threading').RLock()",
        "linux/test_fork_locks.py::test_a_lock_of_another_thread",
    ),
    MmioMutant(
        "a child waits for a thread that it does not have",
        "mmio.linux.fork_locks",
        "            lock._at_fork_reinit()\n",
        "            pass\n",
        "linux/test_fork_locks.py::test_a_lock_of_another_thread",
    ),
    MmioMutant(
        "the crash handler is unmapped under a thread that is in it",
        "mmio.ptrace.syscalls",
        "                process.buffers.remove(handler.pages)\n",
        "                pass\n",
        "ptrace/test_detaching.py::test_detach_at_any_stop",
    ),
)
