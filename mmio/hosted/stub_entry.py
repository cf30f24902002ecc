"""Second part of the trampoline: from a stub of a patched instruction to Python and back, without a signal.

A stub (`mmio/patching/stub.py`) calls this when its instruction accesses something that traps. A little of the
registers is put on the program's stack, below its red zone. Then signals are blocked, as in the handler of a signal. Of
several threads the kernel tells where one's signal stack is (sigaltstack), for nothing else does: the FS base is the
program's to choose. At the top of that stack, where the kernel would make it, too, a frame is made (struct rt_sigframe
of arch/x86/include/asm/sigframe.h), and the function in the word CALLED is called with it.

Signals come only while the FS base is the program's and the stack, too: before `block`, and from `unblocked` on.
`mmio/hosted/rewinding.py` takes a thread out of here, and of a stub, when one does.

The registers in the frame are loaded here when the thread is to continue behind the instruction.
Otherwise the frame is left to `rt_sigreturn`.
"""

from typing import Final

STUBS: Final = """
translate: rax is 0. When a stub's copy of an instruction has faulted, it is the original that has.
    488b83a8000000           mov rax,[rbx+0A8h]               rip
    488d0dd10f0000           lea rcx,[1100h]                  ARENAS
arena:
    488b11                   mov rdx,[rcx]
    4885d2                   test rdx,rdx
    0f8493000000             je 00000000000001CEh             elsewhere
    4883c108                 add rcx,8
    4989c0                   mov r8,rax
    4929d0                   sub r8,rdx
    4981f800000100           cmp r8,10000h                    its code
    73e1                     jae short 000000000000012Fh      arena
    4183e07f                 and r8d,7Fh
    4183f862                 cmp r8d,62h                      where the copy is in its slot
    7528                     jne short 0000000000000180h      in a stub
    488b88b6ff0000           mov rcx,[rax+0FFB6h]             SITE
    48898ba8000000           mov [rbx+0A8h],rcx
    488b88c6ff0000           mov rcx,[rax+0FFC6h]             BYTES
    48898bf8000000           mov [rbx+0F8h],rcx               CODE
    48898318010000           mov [rbx+118h],rax               COPY
    e9c2feffff               jmp 0000000000000042h            translated
in a stub: A stub's own access faults where the program has no stack: the copy does without.
    e88c000000               call 0000000000000211h           is fault
    0f85b7feffff             jne 0000000000000042h            translated
    4883e080                 and rax,0FFFFFFFFFFFFFF80h       the slot
    4183f805                 cmp r8d,5                        pushfq
    7416                     je short 00000000000001ABh       flags
    4183f806                 cmp r8d,6                        push rax
    7418                     je short 00000000000001B3h       accumulator
    4183f822                 cmp r8d,22h                      call
    0f859dfeffff             jne 0000000000000042h            translated
    4883c058                 add rax,58h                      where it misses
    eb17                     jmp short 00000000000001C2h      another way
flags:
    4883aba000000008         sub qword ptr [rbx+0A0h],8       rsp
accumulator:
    488183a000000088000000   add qword ptr [rbx+0A0h],88h     rsp
    4883c062                 add rax,62h                      the copy
another way:
    488983a8000000           mov [rbx+0A8h],rax               rip
    e92cffffff               jmp 00000000000000FAh            return
elsewhere:
    488d154f000000           lea rdx,[224h]
    4839d0                   cmp rax,rdx
    7410                     je short 00000000000001EAh
    488d158b040000           lea rdx,[66Ch]
    4839d0                   cmp rax,rdx
    0f8558feffff             jne 0000000000000042h            translated
first store:
    e822000000               call 0000000000000211h           is fault
    0f854dfeffff             jne 0000000000000042h            translated
    488b8ba0000000           mov rcx,[rbx+0A0h]               rsp
    488b01                   mov rax,[rcx]
    4883e080                 and rax,0FFFFFFFFFFFFFF80h       the slot
    4883c058                 add rax,58h                      where it misses
    488383a000000008         add qword ptr [rbx+0A0h],8       rsp
    ebb1                     jmp short 00000000000001C2h      another way
is fault: ZF is set when the signal is a fault, as one of the stack is.
    837e0800                 cmp dword ptr [rsi+8],0          si_code, positive for a fault
    7e09                     jle short 0000000000000220h      none
    83ff07                   cmp edi,7                        SIGBUS
    7403                     je short 000000000000021Fh       found
    83ff0b                   cmp edi,0Bh                      SIGSEGV
found:
    c3                       ret
none:
    4885e4                   test rsp,rsp
    c3                       ret
from a stub: rax the address of the operand. On the stack the return address, rax, the flags, and the red zone.
    4889842448ffffff         mov [rsp-0B8h],rax               faults here if there is too little stack
    53                       push rbx
    51                       push rcx
    52                       push rdx
    56                       push rsi
    57                       push rdi
    4152                     push r10
    4153                     push r11
    50                       push rax
    488d6424d0               lea rsp,[rsp-30h]
kept:
    4889e3                   mov rbx,rsp
    48833d120e000000         cmp qword ptr [1058h],0          XGETBV_1
    740a                     je short 0000000000000252h       all in use
    b901000000               mov ecx,1
    0f01d0                   xgetbv
    eb0c                     jmp short 000000000000025Eh      in use
all in use:
    8b05c80d0000             mov eax,[1020h]                  FEATURES
    8b15c60d0000             mov edx,[1024h]
in use: what a frame of the kernel has no room for is left to the kernel.
    8b0dbc0d0000             mov ecx,[1020h]
    f7d1                     not ecx
    85c1                     test ecx,eax
    0f85e5030000             jne 0000000000000653h            unsaved
    8b0db00d0000             mov ecx,[1024h]
    f7d1                     not ecx
    85d1                     test ecx,edx
    0f85d5030000             jne 0000000000000653h            unsaved
    894320                   mov [rbx+20h],eax
    895324                   mov [rbx+24h],edx
    b80e000000               mov eax,0Eh                      rt_sigprocmask
    31ff                     xor edi,edi                      SIG_BLOCK
    488d35d60d0000           lea rsi,[1068h]                  EVERY
    488d5318                 lea rdx,[rbx+18h]                the mask before
    41ba08000000             mov r10d,8
block:
    0f05                     syscall
    488b15d30d0000           mov rdx,[1078h]                  ONLY_STACK
    4885d2                   test rdx,rdx
    741c                     je short 00000000000002C6h       one of several
    488d8200200000           lea rax,[rdx+2000h]
    488903                   mov [rbx],rax                    as SignalStack.described
    48c7430800000000         mov qword ptr [rbx+8],0
    48c7431000e07f00         mov qword ptr [rbx+10h],7FE000h
    eb16                     jmp short 00000000000002DCh      known thread
one of several:
    b883000000               mov eax,83h                      sigaltstack, which says which thread this is
    31ff                     xor edi,edi
    4889de                   mov rsi,rbx
    0f05                     syscall
    488b13                   mov rdx,[rbx]
    4881e2000080ff           and rdx,0FFFFFFFFFF800000h       the base of the signal stack
known thread: the device is called directly where the stub has a block.
    488b4b70                 mov rcx,[rbx+70h]                the return address
    4883e180                 and rcx,0FFFFFFFFFFFFFF80h       the slot
    4883b94000010000         cmp qword ptr [rcx+10040h],0     DIRECT
    0f85e8030000             jne 00000000000006DAh            direct
frame:
    488d8a00008000           lea rcx,[rdx+800000h]
    482b0d280d0000           sub rcx,[1028h]                  XSAVE_SIZE
    4883e1c0                 and rcx,0FFFFFFFFFFFFFFC0h
    488da138feffff           lea rsp,[rcx-1C8h]               the frame: return address, ucontext, siginfo
    4c89442430               mov [rsp+30h],r8
    4c894c2438               mov [rsp+38h],r9
    4c8b4340                 mov r8,[rbx+40h]
    4c89442440               mov [rsp+40h],r8                 r10
    4c8b4338                 mov r8,[rbx+38h]
    4c89442448               mov [rsp+48h],r8                 r11
    4c89642450               mov [rsp+50h],r12
    4c896c2458               mov [rsp+58h],r13
    4c89742460               mov [rsp+60h],r14
    4c897c2468               mov [rsp+68h],r15
    4c8b4348                 mov r8,[rbx+48h]
    4c89442470               mov [rsp+70h],r8                 rdi
    4c8b4350                 mov r8,[rbx+50h]
    4c89442478               mov [rsp+78h],r8                 rsi
    4889ac2480000000         mov [rsp+80h],rbp
    4c8b4368                 mov r8,[rbx+68h]
    4c89842488000000         mov [rsp+88h],r8                 rbx
    4c8b4358                 mov r8,[rbx+58h]
    4c89842490000000         mov [rsp+90h],r8                 rdx
    4c8b4378                 mov r8,[rbx+78h]
    4c89842498000000         mov [rsp+98h],r8                 rax
    4c8b4360                 mov r8,[rbx+60h]
    4c898424a0000000         mov [rsp+0A0h],r8                rcx
    4c8d8308010000           lea r8,[rbx+108h]
    4c898424a8000000         mov [rsp+0A8h],r8                rsp
    4c8b4b70                 mov r9,[rbx+70h]                 the return address
    4983e180                 and r9,0FFFFFFFFFFFFFF80h        the slot
    4981c100000100           add r9,10000h                    its words
    f049ff4138               lock inc qword ptr [r9+38h]      CALLS
    4d8b4118                 mov r8,[r9+18h]
    4c898424b0000000         mov [rsp+0B0h],r8                SITE as rip
    4c8b8380000000           mov r8,[rbx+80h]
    4c898424b8000000         mov [rsp+0B8h],r8                flags
    4c8b05860c0000           mov r8,[1050h]
    4c898424c0000000         mov [rsp+0C0h],r8                SEGMENTS
    4d8b4130                 mov r8,[r9+30h]
    4c898424c8000000         mov [rsp+0C8h],r8                ERROR_CODE
    4d8b4158                 mov r8,[r9+58h]
    4c898424d0000000         mov [rsp+0D0h],r8                EXCEPTION
    4c8b4330                 mov r8,[rbx+30h]
    4c898424e0000000         mov [rsp+0E0h],r8                the address as cr2
    48898c24e8000000         mov [rsp+0E8h],rcx               where the XSAVE area is
    4d8b4128                 mov r8,[r9+28h]
    4c89842400010000         mov [rsp+100h],r8                BYTES as CODE
    4d8b4150                 mov r8,[r9+50h]
    4c89842410010000         mov [rsp+110h],r8                CAUSE
    48899c2428010000         mov [rsp+128h],rbx               STUB
    4c8b03                   mov r8,[rbx]
    4c89442418               mov [rsp+18h],r8                 the signal stack
    4c8b4308                 mov r8,[rbx+8]
    4c89442420               mov [rsp+20h],r8
    4c8b4310                 mov r8,[rbx+10h]
    4c89442428               mov [rsp+28h],r8
    4c8b4318                 mov r8,[rbx+18h]
    4c89842430010000         mov [rsp+130h],r8                the mask before
    4c8b05150c0000           mov r8,[1060h]                   RESTORER
    4c890424                 mov [rsp],r8
    4c8b05f20b0000           mov r8,[1048h]                   UC_FLAGS
    4c89442408               mov [rsp+8],r8
    31c0                     xor eax,eax
    4889442410               mov [rsp+10h],rax                uc_link
    48898424d8000000         mov [rsp+0D8h],rax               oldmask
    48898424f0000000         mov [rsp+0F0h],rax               VERDICT
    4889842420010000         mov [rsp+120h],rax               COPY
    48898100020000           mov [rcx+200h],rax               the header of the XSAVE area
    48898108020000           mov [rcx+208h],rax
    48898110020000           mov [rcx+210h],rax
    48898118020000           mov [rcx+218h],rax
    48898120020000           mov [rcx+220h],rax
    48898128020000           mov [rcx+228h],rax
    48898130020000           mov [rcx+230h],rax
    48898138020000           mov [rcx+238h],rax
    4c8b05770b0000           mov r8,[1030h]                   SOFTWARE
    4c8981d0010000           mov [rcx+1D0h],r8
    4c8b05710b0000           mov r8,[1038h]
    4c8981d8010000           mov [rcx+1D8h],r8
    4c8b056b0b0000           mov r8,[1040h]
    4c8981e0010000           mov [rcx+1E0h],r8
    4c8b05450b0000           mov r8,[1028h]                   XSAVE_SIZE
    42c74401fc45585046       mov dword ptr [rcx+r8-4],46505845h  FP_XSTATE_MAGIC2
    4989d0                   mov r8,rdx                       the base of the signal stack
    8b4320                   mov eax,[rbx+20h]
    8b5324                   mov edx,[rbx+24h]
    4189c3                   mov r11d,eax
    83c803                   or eax,3                         x87 and SSE, with MXCSR, always
    480fae21                 xsave64 [rcx]
    41f6c301                 test r11b,1
    7402                     je short 0000000000000507h       x87 clear
    dbe3                     fninit
x87 clear:
    0fae15620b0000           ldmxcsr [1070h]
    fc                       cld
    f3480faec0               rdfsbase rax
    4889842408010000         mov [rsp+108h],rax               PROGRAM_FS
    498b4008                 mov rax,[r8+8]                   Python's FS base
    f3480faed0               wrfsbase rax
    488d5c2408               lea rbx,[rsp+8]
    4889df                   mov rdi,rbx
    4883ec08                 sub rsp,8
    ff15e10a0000             call qword ptr [1018h]           CALLED(ucontext)
    4883bbe800000000         cmp qword ptr [rbx+0E8h],0       VERDICT
    0f85bafbffff             jne 00000000000000FFh            leave
to the stub: when nothing has changed but registers, without the kernel.
    488b8b20010000           mov rcx,[rbx+120h]               STUB
    488d8108010000           lea rax,[rcx+108h]
    483b83a0000000           cmp rax,[rbx+0A0h]               rsp
    0f858efbffff             jne 00000000000000EEh            resume
    488b5170                 mov rdx,[rcx+70h]
    4883e280                 and rdx,0FFFFFFFFFFFFFF80h       the slot
    488b8220000100           mov rax,[rdx+10020h]             NEXT
    483b83a8000000           cmp rax,[rbx+0A8h]               rip
    0f8572fbffff             jne 00000000000000EEh            resume
    488b8300010000           mov rax,[rbx+100h]               PROGRAM_FS
    f3480faed0               wrfsbase rax
    8b05920a0000             mov eax,[1020h]                  FEATURES
    25fffdffff               and eax,0FFFFFDFFh               without PKRU
    8b158b0a0000             mov edx,[1024h]
    4c8b83e0000000           mov r8,[rbx+0E0h]
    490fae28                 xrstor64 [r8]
    488b8328010000           mov rax,[rbx+128h]               the mask
    48894118                 mov [rcx+18h],rax
    488b8390000000           mov rax,[rbx+90h]
    48894130                 mov [rcx+30h],rax                rax
    488b4340                 mov rax,[rbx+40h]
    48894138                 mov [rcx+38h],rax                r11
    488b4338                 mov rax,[rbx+38h]
    48894140                 mov [rcx+40h],rax                r10
    488b4368                 mov rax,[rbx+68h]
    48894148                 mov [rcx+48h],rax                rdi
    488b4370                 mov rax,[rbx+70h]
    48894150                 mov [rcx+50h],rax                rsi
    488b8388000000           mov rax,[rbx+88h]
    48894158                 mov [rcx+58h],rax                rdx
    488b8398000000           mov rax,[rbx+98h]
    48894160                 mov [rcx+60h],rax                rcx
    488b8380000000           mov rax,[rbx+80h]
    48894168                 mov [rcx+68h],rax                rbx
    488b83b0000000           mov rax,[rbx+0B0h]
    48898180000000           mov [rcx+80h],rax                flags
    4c8b4328                 mov r8,[rbx+28h]
    4c8b4b30                 mov r9,[rbx+30h]
    4c8b6348                 mov r12,[rbx+48h]
    4c8b6b50                 mov r13,[rbx+50h]
    4c8b7358                 mov r14,[rbx+58h]
    4c8b7b60                 mov r15,[rbx+60h]
    488b6b78                 mov rbp,[rbx+78h]
    4889cc                   mov rsp,rcx
unblock:
    b80e000000               mov eax,0Eh                      rt_sigprocmask
    bf02000000               mov edi,2                        SIG_SETMASK
    488d742418               lea rsi,[rsp+18h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
unblocked:
    488d642430               lea rsp,[rsp+30h]
    58                       pop rax
    415b                     pop r11
    415a                     pop r10
    5f                       pop rdi
    5e                       pop rsi
    5a                       pop rdx
    59                       pop rcx
    5b                       pop rbx
    c20800                   ret 8
unsaved:
    488d642438               lea rsp,[rsp+38h]
    415b                     pop r11
    415a                     pop r10
    5f                       pop rdi
    5e                       pop rsi
    5a                       pop rdx
    59                       pop rcx
    5b                       pop rbx
    4883242480               and qword ptr [rsp],0FFFFFFFFFFFFFF80h  the slot
    4883042458               add qword ptr [rsp],58h          where it misses
    c3                       ret
"""
