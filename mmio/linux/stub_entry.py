"""Second part of the trampoline: from a stub to the same handlers and back, without the kernel.

A stub (`mmio/patching/stub.py`) calls this when an instruction that has been patched accesses a trapped range. It makes
on the driver's stack the very frame that the kernel would have made: the address of the C library's return to the
kernel, a ucontext, a siginfo, an XSAVE area (struct rt_sigframe of arch/x86/include/asm/sigframe.h). So handlers,
unwinders and `rt_sigreturn` find what they find after a signal. Signals are blocked as they are in a signal handler.

What a handler leaves in the frame is put into the registers here when the thread is to continue behind the instruction,
which is nearly always. Else the frame is left to `rt_sigreturn`.

Of the state components only those in use are saved (XGETBV with ECX = 1, SDM vol. 1, 13.6): XSAVE leaves the bits of
the others in XSTATE_BV alone, which are zero, so they are initialised when the area is loaded.
"""

from typing import Final

STUBS: Final = """
translate: rbx ucontext. When a stub's copy of an instruction has faulted, it is the original that has.
    488b83a8000000           mov rax,[rbx+0A8h]
    488d0daa100000           lea rcx,[1400h]                   ARENAS
arena:
    488b11                   mov rdx,[rcx]
    4885d2                   test rdx,rdx
    7440                     je short 000000000000039Eh        translated
    4883c108                 add rcx,8
    4989c0                   mov r8,rax
    4929d0                   sub r8,rdx
    4981f800000100           cmp r8,10000h                     its slot and arena
    73e5                     jae short 0000000000000356h       arena
    4183e07f                 and r8d,7Fh
    4183f862                 cmp r8d,62h                       where the copy is in its slot
    7523                     jne short 000000000000039Eh       translated
    488b88b6ff0000           mov rcx,[rax+0FFB6h]              SITE
    48898ba8000000           mov [rbx+0A8h],rcx
    488b88c6ff0000           mov rcx,[rax+0FFC6h]              BYTES
    48898bf8000000           mov [rbx+0F8h],rcx                CODE
    48898308010000           mov [rbx+108h],rax                COPY
translated:
    c3                       ret
natively: rbx ucontext. An access that came by a stub is to be made by the CPU.
    488b8b00010000           mov rcx,[rbx+100h]                STUB
    4885c9                   test rcx,rcx
    74f3                     je short 000000000000039Eh        translated
    488b09                   mov rcx,[rcx]
    4883e180                 and rcx,0FFFFFFFFFFFFFF80h        the slot
    4883c162                 add rcx,62h                       the copy
    48898ba8000000           mov [rbx+0A8h],rcx
    c3                       ret
alternate stack: rbx ucontext. What the kernel would have noted of it, which rt_sigreturn sets again.
    4883bb0001000000         cmp qword ptr [rbx+100h],0        STUB
    74d6                     je short 000000000000039Eh        translated
    b883000000               mov eax,83h                       sigaltstack
    31ff                     xor edi,edi
    488d7310                 lea rsi,[rbx+10h]
    0f05                     syscall
    c3                       ret
from a stub: rax the address of the operand. On the stack the return address, rax, the flags, and the red zone.
    53                       push rbx
    51                       push rcx
    52                       push rdx
    4889e3                   mov rbx,rsp
    50                       push rax
    48833d8b0f000000         cmp qword ptr [1370h],0           XGETBV_1
    740a                     je short 00000000000003F1h        all in use
    b901000000               mov ecx,1
    0f01d0                   xgetbv
    eb0c                     jmp short 00000000000003FDh       in use
all in use:
    8b05310f0000             mov eax,[1328h]                   FEATURES
    8b152f0f0000             mov edx,[132Ch]
in use: what a frame of the kernel has no room for is left to the kernel.
    8b0d250f0000             mov ecx,[1328h]
    f7d1                     not ecx
    85c1                     test ecx,eax
    0f8530020000             jne 000000000000063Dh             unsaved
    8b0d190f0000             mov ecx,[132Ch]
    f7d1                     not ecx
    85d1                     test ecx,edx
    0f8520020000             jne 000000000000063Dh             unsaved
    4889e1                   mov rcx,rsp
    482b0d090f0000           sub rcx,[1330h]                   XSAVE_SIZE
    4883e1c0                 and rcx,0FFFFFFFFFFFFFFC0h
    488da138feffff           lea rsp,[rcx-1C8h]                the frame: return address, ucontext, siginfo
    4c89442430               mov [rsp+30h],r8
    4c894c2438               mov [rsp+38h],r9
    4c89542440               mov [rsp+40h],r10
    4c895c2448               mov [rsp+48h],r11
    4c89642450               mov [rsp+50h],r12
    4c896c2458               mov [rsp+58h],r13
    4c89742460               mov [rsp+60h],r14
    4c897c2468               mov [rsp+68h],r15
    48897c2470               mov [rsp+70h],rdi
    4889742478               mov [rsp+78h],rsi
    4889ac2480000000         mov [rsp+80h],rbp
    4c8b4310                 mov r8,[rbx+10h]
    4c89842488000000         mov [rsp+88h],r8                  rbx
    4c8b03                   mov r8,[rbx]
    4c89842490000000         mov [rsp+90h],r8                  rdx
    4c8b4320                 mov r8,[rbx+20h]
    4c89842498000000         mov [rsp+98h],r8                  rax
    4c8b4308                 mov r8,[rbx+8]
    4c898424a0000000         mov [rsp+0A0h],r8                 rcx
    4c8d83b0000000           lea r8,[rbx+0B0h]
    4c898424a8000000         mov [rsp+0A8h],r8                 rsp
    4c8b4b18                 mov r9,[rbx+18h]
    4983e180                 and r9,0FFFFFFFFFFFFFF80h         the slot
    4981c100000100           add r9,10000h                     its words
    f049ff4138               lock inc qword ptr [r9+38h]       CALLS
    4d8b4118                 mov r8,[r9+18h]
    4c898424b0000000         mov [rsp+0B0h],r8                 SITE as rip
    4c8b4328                 mov r8,[rbx+28h]
    4c898424b8000000         mov [rsp+0B8h],r8                 flags
    4c8b053b0e0000           mov r8,[1318h]
    4c898424c0000000         mov [rsp+0C0h],r8                 SEGMENTS
    4d8b4130                 mov r8,[r9+30h]
    4c898424c8000000         mov [rsp+0C8h],r8                 ERROR_CODE
    4d8b4158                 mov r8,[r9+58h]                   EXCEPTION
    4c898424d0000000         mov [rsp+0D0h],r8
    4c8b43f8                 mov r8,[rbx-8]
    4c898424e0000000         mov [rsp+0E0h],r8                 cr2
    48898c24e8000000         mov [rsp+0E8h],rcx                where the XSAVE area is
    4d8b5128                 mov r10,[r9+28h]
    4c89942400010000         mov [rsp+100h],r10                BYTES as CODE
    4c8d5318                 lea r10,[rbx+18h]
    4c89942408010000         mov [rsp+108h],r10                STUB
    48c78424380100000b000000 mov qword ptr [rsp+138h],0Bh      SIGSEGV
    4d8b5150                 mov r10,[r9+50h]                  CAUSE as si_code
    4c89942440010000         mov [rsp+140h],r10
    4c89842448010000         mov [rsp+148h],r8                 si_addr
    4c8b15c00d0000           mov r10,[1310h]                   RESTORER
    4c891424                 mov [rsp],r10
    4c8b15c50d0000           mov r10,[1320h]                   UC_FLAGS
    4c89542408               mov [rsp+8],r10
    4531d2                   xor r10d,r10d
    4c89542410               mov [rsp+10h],r10                 uc_link
    4c89942410010000         mov [rsp+110h],r10                COPY
    4c899100020000           mov [rcx+200h],r10                the header of the XSAVE area
    4c899108020000           mov [rcx+208h],r10
    4c899110020000           mov [rcx+210h],r10
    4c899118020000           mov [rcx+218h],r10
    4c899120020000           mov [rcx+220h],r10
    4c899128020000           mov [rcx+228h],r10
    4c899130020000           mov [rcx+230h],r10
    4c899138020000           mov [rcx+238h],r10
    4c8b15890d0000           mov r10,[1338h]                   SOFTWARE
    4c8991d0010000           mov [rcx+1D0h],r10
    4c8b15830d0000           mov r10,[1340h]
    4c8991d8010000           mov [rcx+1D8h],r10
    4c8b157d0d0000           mov r10,[1348h]
    4c8991e0010000           mov [rcx+1E0h],r10
    4c8b15570d0000           mov r10,[1330h]                   XSAVE_SIZE
    42c74411fc45585046       mov dword ptr [rcx+r10-4],46505845h  FP_XSTATE_MAGIC2
    4189c3                   mov r11d,eax
    83c803                   or eax,3                          x87 and SSE, with MXCSR, always
    480fae21                 xsave64 [rcx]
    41f6c301                 test r11b,1
    7402                     je short 00000000000005F4h        x87 clear
    dbe3                     fninit
x87 clear:
    0fae156d0d0000           ldmxcsr [1368h]
    fc                       cld
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    31ff                     xor edi,edi                       SIG_BLOCK
    488d35fe0c0000           lea rsi,[1308h]                   HELD
    488d942430010000         lea rdx,[rsp+130h]
    41ba08000000             mov r10d,8
    0f05                     syscall
    488d5c2408               lea rbx,[rsp+8]
    4c8da42438010000         lea r12,[rsp+138h]
    41bd0b000000             mov r13d,0Bh                      SIGSEGV
    4c8d3dcc0c0000           lea r15,[1300h]                   STUB_HANDLER
    4883ec08                 sub rsp,8
    e99bfaffff               jmp 00000000000000D8h             admitted
unsaved:
    58                       pop rax
    5a                       pop rdx
    59                       pop rcx
    5b                       pop rbx
    4883242480               and qword ptr [rsp],0FFFFFFFFFFFFFF80h  the slot
    4883042458               add qword ptr [rsp],58h           where it misses
    c3                       ret
to the stub: when nothing has changed but registers, without the kernel.
    488b8b00010000           mov rcx,[rbx+100h]                STUB
    488d8198000000           lea rax,[rcx+98h]
    483b83a0000000           cmp rax,[rbx+0A0h]                rsp
    0f85b7000000             jne 000000000000071Eh             by the kernel
    488b11                   mov rdx,[rcx]
    4883e280                 and rdx,0FFFFFFFFFFFFFF80h        the slot
    488b8220000100           mov rax,[rdx+10020h]              NEXT
    483b83a8000000           cmp rax,[rbx+0A8h]                rip
    0f859c000000             jne 000000000000071Eh             by the kernel
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488db328010000           lea rsi,[rbx+128h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
    8b05850c0000             mov eax,[1328h]                   FEATURES
    25fffdffff               and eax,0FFFFFDFFh                without PKRU
    8b157e0c0000             mov edx,[132Ch]
    488b8be0000000           mov rcx,[rbx+0E0h]
    480fae29                 xrstor64 [rcx]
    488b8b00010000           mov rcx,[rbx+100h]
    488b83b0000000           mov rax,[rbx+0B0h]
    48894110                 mov [rcx+10h],rax                 flags
    4c8b4328                 mov r8,[rbx+28h]
    4c8b4b30                 mov r9,[rbx+30h]
    4c8b5338                 mov r10,[rbx+38h]
    4c8b5b40                 mov r11,[rbx+40h]
    4c8b6348                 mov r12,[rbx+48h]
    4c8b6b50                 mov r13,[rbx+50h]
    4c8b7358                 mov r14,[rbx+58h]
    4c8b7b60                 mov r15,[rbx+60h]
    488b7b68                 mov rdi,[rbx+68h]
    488b7370                 mov rsi,[rbx+70h]
    488b6b78                 mov rbp,[rbx+78h]
    488b9388000000           mov rdx,[rbx+88h]
    488b8390000000           mov rax,[rbx+90h]
    488b8b98000000           mov rcx,[rbx+98h]
    488b9b80000000           mov rbx,[rbx+80h]
    488ba42410010000         mov rsp,[rsp+110h]                STUB
    c20800                   ret 8
by the kernel:
    e89bfcffff               call 00000000000003BEh            alternate stack
    4883c408                 add rsp,8
    c3                       ret
"""
