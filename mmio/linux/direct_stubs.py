"""Third part of the trampoline: from the stub of a plain load or store to the direct call of its device, and back.

All registers are the driver's, so the general ones are saved here, on the driver's stack. The call itself
(`direct_entry.py`) is the same for all engines. Where it cannot be made, the code continues at `from a stub`, which
makes a frame.
"""

from typing import Final

DIRECT_STUBS: Final = """
direct store: on the stack the return address, the value, the address of the operand, rax, the flags, and the red zone.
    50                       push rax                          where to go on, if not behind the call
    6a01                     push 1                            a store; afterwards rsp there
    eb03                     jmp short 0000000000000730h       direct
direct load: rax the address of the operand. On the stack the return address, rax, the flags, and the red zone.
    50                       push rax
    6a00                     push 0                            a load
direct: the general registers are saved on the stack.
    51                       push rcx
    52                       push rdx
    53                       push rbx
    55                       push rbp
    56                       push rsi
    57                       push rdi
    4150                     push r8
    4151                     push r9
    4152                     push r10
    4153                     push r11
    4154                     push r12
    4155                     push r13
    4156                     push r14
    4157                     push r15
    4889e5                   mov rbp,rsp
    4883ec30                 sub rsp,30h
    488b4d70                 mov rcx,[rbp+70h]
    48894df8                 mov [rbp-8],rcx                   whether it is a store
    4989c4                   mov r12,rax                       the address
    4c8d75e0                 lea r14,[rbp-20h]                 where the value is put
    4c8dbd80000000           lea r15,[rbp+80h]                 STUB
    85c9                     test ecx,ecx
    7415                     je short 000000000000077Ch        slot
    4c8ba590000000           mov r12,[rbp+90h]
    4c8db588000000           lea r14,[rbp+88h]                 where the value is
    4c8dbd90000000           lea r15,[rbp+90h]                 STUB
slot:
    488b9d80000000           mov rbx,[rbp+80h]
    4883e380                 and rbx,0FFFFFFFFFFFFFF80h        the slot
    4881c300000100           add rbx,10000h                    its words
    31c0                     xor eax,eax
    48394340                 cmp [rbx+40h],rax                 DIRECT
    0f84f1000000             je 000000000000088Bh              to a frame
    ff15a80e0000             call qword ptr [1648h]            CAN_SAVE
    b800000000               mov eax,0
    0f85e0000000             jne 000000000000088Bh             to a frame
    488b4348                 mov rax,[rbx+48h]                 HOLD
    4885c0                   test rax,rax
    7424                     je short 00000000000007D8h        wanted
    488b0d950e0000           mov rcx,[1650h]                   ACTIONS
    488b09                   mov rcx,[rcx]
    33c0                     xor eax,eax
    483b0d910e0000           cmp rcx,[1658h]                   NO_HANDLER_AT
    740f                     je short 00000000000007D8h        wanted
    483b0d900e0000           cmp rcx,[1660h]                   HANDLER_AT
    0f85b5000000             jne 000000000000088Bh             to a frame: it is to be looked whether there is one
    ffc0                     inc eax
wanted: rax not zero where signals are to be blocked.
    488945f0                 mov [rbp-10h],rax
    4885c0                   test rax,rax
    741a                     je short 00000000000007FBh        held
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    31ff                     xor edi,edi                       SIG_BLOCK
    488d35190b0000           lea rsi,[1308h]                   HELD
    488d55e8                 lea rdx,[rbp-18h]                 the mask before
    41ba08000000             mov r10d,8
    0f05                     syscall
held:
    f048ff059d080000         lock inc qword ptr [10A0h]        INSIDE
    31c0                     xor eax,eax
    4839059c080000           cmp [10A8h],rax                   OWNER
    7506                     jne short 0000000000000814h       device called: another thread alone may enter Python
    ff152c0e0000             call qword ptr [1640h]            DEVICE_CALL
device called:
    488945d8                 mov [rbp-28h],rax
    f048ff0d80080000         lock dec qword ptr [10A0h]        INSIDE
    48837df000               cmp qword ptr [rbp-10h],0         HOLD
    7418                     je short 000000000000083Fh        let go
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488d75e8                 lea rsi,[rbp-18h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
let go:
    488b45d8                 mov rax,[rbp-28h]
    83f802                   cmp eax,2
    7243                     jb short 000000000000088Bh        to a frame
    7523                     jne short 000000000000086Dh       stored
    488b8588000000           mov rax,[rbp+88h]                 rax
    488b4de0                 mov rcx,[rbp-20h]
    48898d88000000           mov [rbp+88h],rcx                 the value in its place
    488385800000000e         add qword ptr [rbp+80h],0Eh       to where the stub takes it
    488d8d80000000           lea rcx,[rbp+80h]
    eb5e                     jmp short 00000000000008CBh       registers
stored:
    488b8598000000           mov rax,[rbp+98h]                 rax
    488b8d80000000           mov rcx,[rbp+80h]
    48898d98000000           mov [rbp+98h],rcx                 the return address in its place
    488d8d98000000           lea rcx,[rbp+98h]
    eb40                     jmp short 00000000000008CBh       registers
to a frame: eax 1 when there is an outcome. The way by a frame begins with the return address on the stack.
    48c1e03f                 shl rax,3Fh
    488d1540fbffff           lea rdx,[3D6h]
    488d4d78                 lea rcx,[rbp+78h]
    837df800                 cmp dword ptr [rbp-8],0
    7509                     jne short 00000000000008A9h       frame of a store
    48098590000000           or [rbp+90h],rax                  the flags say that there is an outcome
    eb1c                     jmp short 00000000000008C5h       place
frame of a store:
    480985a0000000           or [rbp+0A0h],rax
    488b8580000000           mov rax,[rbp+80h]
    48898590000000           mov [rbp+90h],rax                 the return address
    488d8d88000000           lea rcx,[rbp+88h]
place:
    488911                   mov [rcx],rdx
    4c89e0                   mov rax,r12
registers: rax that of the driver, or the address for a frame; rcx the stack pointer there.
    48894d70                 mov [rbp+70h],rcx
    4889ec                   mov rsp,rbp
    415f                     pop r15
    415e                     pop r14
    415d                     pop r13
    415c                     pop r12
    415b                     pop r11
    415a                     pop r10
    4159                     pop r9
    4158                     pop r8
    5f                       pop rdi
    5e                       pop rsi
    5d                       pop rbp
    5b                       pop rbx
    5a                       pop rdx
    59                       pop rcx
    5c                       pop rsp
    c3                       ret
"""
