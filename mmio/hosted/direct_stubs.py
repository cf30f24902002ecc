"""Third part of the trampoline: the direct call of a device, and the stubs of plain stores.

A stub with a block (`mmio/live/direct_calls.py`) comes here from `stub_entry.py` when signals are blocked and the
thread is known, before anything of a frame is made. The device is called on the thread's signal stack, with Python's FS
base; the call itself (`mmio/linux/direct_entry.py`) is the same for all engines. Where it cannot be made, the frame is,
from the registers as they were.

A plain store has its value stored below the program's stack pointer, by the instruction itself: the stub has a copy of
it, and jumps back here by a word. That comes first, while all registers are the program's. A loaded value is left on
the program's stack, where the stub's copy takes it after signals are unblocked; a signal that comes there finds the
copy executed (`rewinding.py`). A wide value is lower in either case, below all that is kept on the program's stack.
"""

from typing import Final

DIRECT_STUBS: Final = """
from a store: as `from a stub`. The value is stored first, where the device is going to be called directly.
    4889842448ffffff         mov [rsp-0B8h],rax               faults here if there is too little stack
    48894424c0               mov [rsp-40h],rax                the address, where `push rax` would put it
    488b0424                 mov rax,[rsp]
    4883e080                 and rax,0FFFFFFFFFFFFFF80h       the slot
    4883b84000010000         cmp qword ptr [rax+10040h],0     DIRECT
    488b4424c0               mov rax,[rsp-40h]
    0f8490fbffff             je 0000000000000224h             from a stub
    488d6424b8               lea rsp,[rsp-48h]                where the value is put
    488b442450               mov rax,[rsp+50h]                rax
    ff742448                 push qword ptr [rsp+48h]
    488304240e               add qword ptr [rsp],0Eh          where the stub stores it
    ff742460                 push qword ptr [rsp+60h]         the flags
    9d                       popfq
    c3                       ret
stored: all registers are those of the program, but for rsp.
    48895c2440               mov [rsp+40h],rbx
    48894c2438               mov [rsp+38h],rcx
    4889542430               mov [rsp+30h],rdx
    4889742428               mov [rsp+28h],rsi
    48897c2420               mov [rsp+20h],rdi
    4c89542418               mov [rsp+18h],r10
    4c895c2410               mov [rsp+10h],r11
    488d6424d8               lea rsp,[rsp-28h]
    e961fbffff               jmp 000000000000023Bh            kept
direct: rdx the base of the signal stack. On that stack the device is called, with Python's FS base.
    488da200008000           lea rsp,[rdx+800000h]
    55                       push rbp
    4150                     push r8
    4151                     push r9
    4154                     push r12
    4155                     push r13
    4156                     push r14
    4157                     push r15
    53                       push rbx                         what has been kept on the program's stack
    52                       push rdx
    f3480faec0               rdfsbase rax
    50                       push rax                         the program's FS base
    488b4208                 mov rax,[rdx+8]                  Python's FS base
    f3480faed0               wrfsbase rax
    48ff4210                 inc qword ptr [rdx+10h]          in a direct call
    4c8b6330                 mov r12,[rbx+30h]                the address
    4c8d7328                 lea r14,[rbx+28h]                where the value is
    4989df                   mov r15,rbx                      STUB
    488b5b70                 mov rbx,[rbx+70h]
    4883e380                 and rbx,0FFFFFFFFFFFFFF80h       the slot
    4881c300000100           add rbx,10000h                   its words
    4c2b7368                 sub r14,[rbx+68h]                LOWER
    ff1561090000             call qword ptr [1088h]           CAN_SAVE
    b800000000               mov eax,0
    7506                     jne short 0000000000000734h      answered
    ff154c090000             call qword ptr [1080h]           DEVICE_CALL
answered:
    59                       pop rcx
    f3480faed1               wrfsbase rcx
    5a                       pop rdx
    5b                       pop rbx
    415f                     pop r15
    415e                     pop r14
    415d                     pop r13
    415c                     pop r12
    4159                     pop r9
    4158                     pop r8
    5d                       pop rbp
    48ff4a10                 dec qword ptr [rdx+10h]
    4889dc                   mov rsp,rbx
    83f802                   cmp eax,2
    7244                     jb short 0000000000000799h       not direct
    488b4b78                 mov rcx,[rbx+78h]
    48894b30                 mov [rbx+30h],rcx                rax, to be popped
    0f85c5feffff             jne 0000000000000628h            unblock, after a store
    488b4b28                 mov rcx,[rbx+28h]
    48894b78                 mov [rbx+78h],rcx                the value, where rax was
    488343700e               add qword ptr [rbx+70h],0Eh      to where the stub takes it
    b80e000000               mov eax,0Eh                      rt_sigprocmask
    bf02000000               mov edi,2                        SIG_SETMASK
    488d742418               lea rsi,[rsp+18h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
loaded:
    488d642430               lea rsp,[rsp+30h]
    58                       pop rax
    415b                     pop r11
    415a                     pop r10
    5f                       pop rdi
    5e                       pop rsi
    5a                       pop rdx
    59                       pop rcx
    5b                       pop rbx
    c3                       ret
not direct:
    85c0                     test eax,eax
    0f8451fbffff             je 00000000000002F2h             frame
    480fbaab800000003f       bts qword ptr [rbx+80h],3Fh      the flags say that there is an outcome
    e943fbffff               jmp 00000000000002F2h            frame
"""
