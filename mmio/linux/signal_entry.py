"""First part of the trampoline: from the kernel's call of a signal handler to Python and back.

`trampoline.py` says what it does, and names the words it uses.
"""

from typing import Final

SIGNALS: Final = """
entry: rdi signal number, rsi siginfo, rdx ucontext. No register need be kept: the kernel restores them all.
    4883ec08                 sub rsp,8
    31c0                     xor eax,eax
    48898200010000           mov [rdx+100h],rax                STUB
    48898208010000           mov [rdx+108h],rax                COPY
    4889d3                   mov rbx,rdx
    4989f4                   mov r12,rsi
    4189fd                   mov r13d,edi
    e826030000               call 0000000000000348h            translate
    4c8d3de70f0000           lea r15,[1010h]                   COPY_HANDLER
    488b83a8000000           mov rax,[rbx+0A8h]                rip
    482b0529100000           sub rax,[1060h]                   SLOTS_START
    483b052a100000           cmp rax,[1068h]                   its size
    725f                     jb short 000000000000009Fh        ours
    83ff0b                   cmp edi,0Bh                       SIGSEGV
    0f8597010000             jne 00000000000001E0h             pass on
    f683c000000010           test byte ptr [rbx+0C0h],10h      error code: instruction fetch
    0f858a010000             jne 00000000000001E0h             pass on
    8b4608                   mov eax,[rsi+8]                   si_code
    83f802                   cmp eax,2                         SEGV_ACCERR
    7422                     je short 0000000000000080h        page
    4c8d3da30f0000           lea r15,[1008h]                   PORT_HANDLER
    3d80000000               cmp eax,80h                       SI_KERNEL
    0f8570010000             jne 00000000000001E0h             pass on
    48833df80f000000         cmp qword ptr [1070h],0           PORTS
    0f8462010000             je 00000000000001E0h              pass on
    eb1f                     jmp short 000000000000009Fh       ours
page:
    4c8d3d790f0000           lea r15,[1000h]                   PAGE_HANDLER
    488b4610                 mov rax,[rsi+10h]                 si_addr
    482b05be0f0000           sub rax,[1050h]                   TRAPS_START
    483b05bf0f0000           cmp rax,[1058h]                   its size
    0f8341010000             jae 00000000000001E0h             pass on
ours:
    488b8ba8000000           mov rcx,[rbx+0A8h]
    4889ca                   mov rdx,rcx
    48c1ea2f                 shr rdx,2Fh                       not an address of the program's
    0f852d010000             jne 00000000000001E0h             pass on
    48399308010000           cmp [rbx+108h],rdx                COPY: the code is known
    751c                     jne short 00000000000000D8h       admitted
    31c0                     xor eax,eax
    89ca                     mov edx,ecx
    81e2ff0f0000             and edx,0FFFh                     where in its page
    81faf80f0000             cmp edx,0FF8h                     the last place for eight bytes
    7703                     ja short 00000000000000D1h        unread
    488b01                   mov rax,[rcx]                     the code there
unread:
    488983f8000000           mov [rbx+0F8h],rax                CODE
admitted:
    f048ff05c00f0000         lock inc qword ptr [10A0h]        INSIDE
    48833dc00f000000         cmp qword ptr [10A8h],0           OWNER
    0f8582010000             jne 0000000000000270h             gate
enter:
    ff15240f0000             call qword ptr [1018h]            __errno_location
    448b30                   mov r14d,[rax]
    48c783e800000000000000   mov qword ptr [rbx+0E8h],0        VERDICT = RESUME
    488baba8000000           mov rbp,[rbx+0A8h]                rip, to compare with afterwards
    4889df                   mov rdi,rbx
    4c89e6                   mov rsi,r12
    41ff17                   call qword ptr [r15]              handler(ucontext, siginfo)
    4883bbe800000000         cmp qword ptr [rbx+0E8h],0        VERDICT
    756d                     jne short 0000000000000189h       answered
    483baba8000000           cmp rbp,[rbx+0A8h]
    7564                     jne short 0000000000000189h       answered
failed: rip has not moved, so the handler has raised something, or could not even begin.
    ff15f50e0000             call qword ptr [1020h]            PyGILState_Ensure
    89c5                     mov ebp,eax
    48833d5b0f000000         cmp qword ptr [1090h],0           RAISED
    7522                     jne short 0000000000000159h       raised
    ff15430f0000             call qword ptr [1080h]            Py_GetRecursionLimit
    488905540f0000           mov [1098h],rax                   LIMIT
    89c7                     mov edi,eax
    81c790010000             add edi,190h                      room for the handler
    7905                     jns short 0000000000000153h       in range
    bfffffff7f               mov edi,7FFFFFFFh                 the highest limit
in range:
    ff152f0f0000             call qword ptr [1088h]            Py_SetRecursionLimit
raised:
    48ff05300f0000           inc qword ptr [1090h]             RAISED
    4889df                   mov rdi,rbx
    4c89fe                   mov rsi,r15
    ff150c0f0000             call qword ptr [1078h]            FAILURE_HANDLER(ucontext, which handler)
    48ff0d1d0f0000           dec qword ptr [1090h]             RAISED
    750c                     jne short 0000000000000181h       lowered
    8b3d1d0f0000             mov edi,[1098h]                   LIMIT
    ff15070f0000             call qword ptr [1088h]            Py_SetRecursionLimit
lowered:
    89ef                     mov edi,ebp
    ff159f0e0000             call qword ptr [1028h]            PyGILState_Release
answered:
    4c8bbbe8000000           mov r15,[rbx+0E8h]                VERDICT
    4983ff01                 cmp r15,1
    7620                     jbe short 00000000000001B6h       settle
    ff15840e0000             call qword ptr [1020h]            PyGILState_Ensure
    89c5                     mov ebp,eax
    488bbbf0000000           mov rdi,[rbx+0F0h]                THREAD
    4c89fe                   mov rsi,r15
    ff15820e0000             call qword ptr [1030h]            `async_exception.sender`
    89ef                     mov edi,ebp
    ff15720e0000             call qword ptr [1028h]            PyGILState_Release
settle:
    f048ff0de20e0000         lock dec qword ptr [10A0h]        INSIDE
    ff15540e0000             call qword ptr [1018h]            __errno_location
    448930                   mov [rax],r14d
    4983ff01                 cmp r15,1                         PASS_ON
    7413                     je short 00000000000001E0h        pass on
done:
    4883bb0001000000         cmp qword ptr [rbx+100h],0        STUB
    0f8571040000             jne 000000000000064Ch             to the stub
    4883c408                 add rsp,8
    c3                       ret
pass on:
    e8d9010000               call 00000000000003BEh            alternate stack
    488d2d140f0000           lea rbp,[1100h]                   OLD_SIGFPE
    488d050d100000           lea rax,[1200h]                   OLD_SIGSEGV
    4183fd0b                 cmp r13d,0Bh
    480f44e8                 cmove rbp,rax
    4c8b7d00                 mov r15,[rbp]
    4983ff01                 cmp r15,1
    7632                     jbe short 0000000000000237h       SIG_DFL or SIG_IGN
    bf02000000               mov edi,2                         SIG_SETMASK
    488db328010000           lea rsi,[rbx+128h]                that of the interrupted code
    31d2                     xor edx,edx
    ff15270e0000             call qword ptr [1040h]            pthread_sigmask
    31ff                     xor edi,edi                       SIG_BLOCK
    488d7508                 lea rsi,[rbp+8]                   what it wants blocked
    31d2                     xor edx,edx
    ff15190e0000             call qword ptr [1040h]            pthread_sigmask
    4489ef                   mov edi,r13d
    4c89e6                   mov rsi,r12
    4889da                   mov rdx,rbx
    4883c408                 add rsp,8
    41ffe7                   jmp r15
SIG_DFL or SIG_IGN: a fault comes again and kills, once we are gone; a signal that was sent has to be sent again.
    458b742408               mov r14d,[r12+8]                  si_code, positive for a fault
    4585f6                   test r14d,r14d
    7f05                     jg short 0000000000000246h        reinstall
    4d85ff                   test r15,r15                      SIG_IGN
    7587                     jne short 00000000000001CDh       done
reinstall:
    e854010000               call 000000000000039Fh            natively
    4489ef                   mov edi,r13d
    4889ee                   mov rsi,rbp
    31d2                     xor edx,edx
    ff15df0d0000             call qword ptr [1038h]            sigaction
    4585f6                   test r14d,r14d
    0f8f6bffffff             jg 00000000000001CDh              done
    4489ef                   mov edi,r13d
    ff15dd0d0000             call qword ptr [1048h]            raise
    e95dffffff               jmp 00000000000001CDh             done
gate: Python finalizes, or is about to. It is entered by the thread that does so, and by one that has the GIL.
    64488b042500000000       mov rax,fs:[0]                    the thread, as pthread_self has it
    483b05280e0000           cmp rax,[10A8h]                   OWNER
    751b                     jne short 000000000000029Dh       other
    48833d260e000000         cmp qword ptr [10B0h],0           GONE
    0f845efeffff             je 00000000000000EEh              enter
    f048ff0d080e0000         lock dec qword ptr [10A0h]        INSIDE
    e943ffffff               jmp 00000000000001E0h             pass on
other:
    ff15150e0000             call qword ptr [10B8h]            PyGILState_Check
    89c5                     mov ebp,eax
    e850000000               call 00000000000002FAh            ending
    753d                     jne short 00000000000002E9h       park
    85ed                     test ebp,ebp
    0f853afeffff             jne 00000000000000EEh             enter
    f048ff0de40d0000         lock dec qword ptr [10A0h]        INSIDE
    bd14000000               mov ebp,14h                       times 10 ms, for what still runs may wait for this thread
wait:
    b823000000               mov eax,23h                       nanosleep
    488d3dfb0d0000           lea rdi,[10C8h]                   PAUSE
    31f6                     xor esi,esi
    0f05                     syscall
    e824000000               call 00000000000002FAh            ending
    7519                     jne short 00000000000002F1h       parked
    ffcd                     dec ebp
    75e5                     jne short 00000000000002C1h       wait
    f048ff05bc0d0000         lock inc qword ptr [10A0h]        INSIDE
    e905feffff               jmp 00000000000000EEh             enter
park:
    f048ff0daf0d0000         lock dec qword ptr [10A0h]        INSIDE
parked:
    b822000000               mov eax,22h                       pause
    0f05                     syscall
    ebf7                     jmp short 00000000000002F1h       parked
ending: ZF is clear when no other thread can have the GIL any more.
    48833dae0d000000         cmp qword ptr [10B0h],0           GONE
    7510                     jne short 0000000000000314h       ended
    4883ec08                 sub rsp,8
    ff15b20d0000             call qword ptr [10C0h]            Py_IsFinalizing
    4883c408                 add rsp,8
    85c0                     test eax,eax
ended:
    c3                       ret
gone: called by Python when nothing is left of it.
    48c705900d000001000000   mov qword ptr [10B0h],1           GONE
    c3                       ret
return address: where a function that libffi calls returns to.
    488b0424                 mov rax,[rsp]
    c3                       ret
cpuid: edi leaf, esi sub-leaf, rdx four words to fill.
    53                       push rbx
    4989d0                   mov r8,rdx
    89f8                     mov eax,edi
    89f1                     mov ecx,esi
    0fa2                     cpuid
    418900                   mov [r8],eax
    41895804                 mov [r8+4],ebx
    41894808                 mov [r8+8],ecx
    4189500c                 mov [r8+0Ch],edx
    5b                       pop rbx
    c3                       ret
control words: rdi two words to fill with MXCSR and the x87 control word.
    0fae1f                   stmxcsr [rdi]
    d97f04                   fnstcw [rdi+4]
    c3                       ret
"""
