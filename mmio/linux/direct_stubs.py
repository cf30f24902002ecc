"""Third part of the trampoline: from the stub of a plain load or store to the direct call of its device, and back.

All registers are the driver's, so the general ones are saved here, on the driver's stack. The call itself
(`direct_entry.py`) is the same for all engines. Where it cannot be made, the code continues at `from a stub`, which
makes a frame. It expects the return address below RAX, so what the stub has put between the two is dropped: a value to
be stored with its address, and the place of a wide one.
"""

from typing import Final

DIRECT_STUBS: Final = """
direct wide store: on the stack the return address, the value's 64 bytes, and as for a store.
    50                       push rax                          where to go on, if not behind the call
    6a03                     push 3                            a wide store; afterwards rsp there
    eb0d                     jmp short 000000000000073Ah       direct
direct wide load: on the stack the return address, 64 bytes for the value, and as for a load.
    50                       push rax
    6a02                     push 2                            a wide load
    eb08                     jmp short 000000000000073Ah       direct
direct store: on the stack the return address, the value, the address of the operand, rax, the flags, and the red zone.
    50                       push rax
    6a01                     push 1                            a store
    eb03                     jmp short 000000000000073Ah       direct
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
    48894df8                 mov [rbp-8],rcx                   which of them
    4989c4                   mov r12,rax                       the address
    4c8d75e0                 lea r14,[rbp-20h]                 where the value is put
    4c8dbd80000000           lea r15,[rbp+80h]                 STUB: where a frame has the return address, below rax
    83f901                   cmp ecx,1
    7226                     jb short 0000000000000798h        slot
    4c8db588000000           lea r14,[rbp+88h]                 where the value is, or is put
    4c8dbd90000000           lea r15,[rbp+90h]
    7413                     je short 0000000000000795h        stored before
    4c8dbdc0000000           lea r15,[rbp+0C0h]
    f6c101                   test cl,1
    740a                     je short 0000000000000798h        slot, with a wide load
    4c8dbdc8000000           lea r15,[rbp+0C8h]
stored before:
    4d8b27                   mov r12,[r15]
slot:
    4c897dd0                 mov [rbp-30h],r15
    488b9d80000000           mov rbx,[rbp+80h]
    4883e380                 and rbx,0FFFFFFFFFFFFFF80h        the slot
    4881c300000100           add rbx,10000h                    its words
    31c0                     xor eax,eax
    48394340                 cmp [rbx+40h],rax                 DIRECT
    0f84e8000000             je 00000000000008A2h              to a frame
    ff15880e0000             call qword ptr [1648h]            CAN_SAVE
    b800000000               mov eax,0
    0f85d7000000             jne 00000000000008A2h             to a frame
    488b4348                 mov rax,[rbx+48h]                 HOLD
    4885c0                   test rax,rax
    7424                     je short 00000000000007F8h        wanted
    488b0d750e0000           mov rcx,[1650h]                   ACTIONS
    488b09                   mov rcx,[rcx]
    33c0                     xor eax,eax
    483b0d710e0000           cmp rcx,[1658h]                   NO_HANDLER_AT
    740f                     je short 00000000000007F8h        wanted
    483b0d700e0000           cmp rcx,[1660h]                   HANDLER_AT
    0f85ac000000             jne 00000000000008A2h             to a frame: it is to be looked whether there is one
    ffc0                     inc eax
wanted: rax not zero where signals are to be blocked.
    488945f0                 mov [rbp-10h],rax
    4885c0                   test rax,rax
    741a                     je short 000000000000081Bh        held
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    31ff                     xor edi,edi                       SIG_BLOCK
    488d35f90a0000           lea rsi,[1308h]                   HELD
    488d55e8                 lea rdx,[rbp-18h]                 the mask before
    41ba08000000             mov r10d,8
    0f05                     syscall
held:
    f048ff057d080000         lock inc qword ptr [10A0h]        INSIDE
    31c0                     xor eax,eax
    4839057c080000           cmp [10A8h],rax                   OWNER
    7506                     jne short 0000000000000834h       device called: another thread alone may enter Python
    ff150c0e0000             call qword ptr [1640h]            DEVICE_CALL
device called:
    488945d8                 mov [rbp-28h],rax
    f048ff0d60080000         lock dec qword ptr [10A0h]        INSIDE
    48837df000               cmp qword ptr [rbp-10h],0         HOLD
    7418                     je short 000000000000085Fh        let go
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488d75e8                 lea rsi,[rbp-18h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
let go:
    488b45d8                 mov rax,[rbp-28h]
    4c8b7dd0                 mov r15,[rbp-30h]
    83f802                   cmp eax,2
    7236                     jb short 00000000000008A2h        to a frame
    498b4708                 mov rax,[r15+8]                   rax
    751f                     jne short 0000000000000891h       stored
    488385800000000e         add qword ptr [rbp+80h],0Eh       to where the stub takes it
    488d8d80000000           lea rcx,[rbp+80h]
    f645f802                 test byte ptr [rbp-8],2
    753f                     jne short 00000000000008C6h       registers, with a wide value in its place
    488b55e0                 mov rdx,[rbp-20h]
    49895708                 mov [r15+8],rdx                   the value in its place
    eb35                     jmp short 00000000000008C6h       registers
stored:
    488b8d80000000           mov rcx,[rbp+80h]
    49894f08                 mov [r15+8],rcx                   the return address in its place
    498d4f08                 lea rcx,[r15+8]
    eb24                     jmp short 00000000000008C6h       registers
to a frame: eax 1 when there is an outcome. The way by a frame begins with the return address on the stack.
    48c1e03f                 shl rax,3Fh
    49094710                 or [r15+10h],rax                  the flags say that there is an outcome
    488b8580000000           mov rax,[rbp+80h]
    498907                   mov [r15],rax                     the return address in its place
    488d151bfbffff           lea rdx,[3D6h]                    from a stub
    498957f8                 mov [r15-8],rdx
    498d4ff8                 lea rcx,[r15-8]
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
