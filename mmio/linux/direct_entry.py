"""Third part of the trampoline: from a stub to the device itself, without a frame.

A stub of a plain load or store calls this (`mmio/patching/direct.py`). What an access of its instruction needs stands
in a *block* of words (`mmio/inprocess/direct_calls.py`): the device's method, the addresses of its segment, the trace,
and for each of some threads the number of the site. So the device is called with Python's C API, and the row of the
record is written into the trace, with no other Python function in between.

It is all as the handler would do it, or else the handler does it: where the block is missing, where the thread or the
address is not in it, or something is requested that is done at an access, the code continues at `from a stub`, which
makes a frame. When the device has been called by then, its answer or its exception goes along (OUTCOMES).

All registers are the driver's, so those that Python and the C library may use are saved here: the general ones, XMM and
MXCSR, with AVX-512 also those that the C library uses (ZMM16 to 31 and masks), x87 where it is in use. Where the upper
halves of YMM are in use, or AMX, a frame is made (XGETBV with ECX = 1, SDM vol. 1, 13.6).

DIRECT_ENTRY leads to the call of the device, DIRECT_EXIT (`direct_exit.py`) back.
"""

from typing import Final

DIRECT_ENTRY: Final = """
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
    488b4d70                 mov rcx,[rbp+70h]
    85c9                     test ecx,ecx
    7407                     je short 0000000000000758h        address
    488b8590000000           mov rax,[rbp+90h]                 the address
address: rax the address of the operand, rcx whether it is a store.
    4881ec00080000           sub rsp,800h
    4883e4c0                 and rsp,0FFFFFFFFFFFFFFC0h
    48894df8                 mov [rbp-8],rcx                   whether it is a store
    4989c4                   mov r12,rax                       the address
    488b9d80000000           mov rbx,[rbp+80h]
    4883e380                 and rbx,0FFFFFFFFFFFFFF80h        the slot
    4881c300000100           add rbx,10000h                    its words
    48837b4000               cmp qword ptr [rbx+40h],0         DIRECT
    0f849d070000             je 0000000000000F24h              unsaved yet
    b901000000               mov ecx,1
    0f01d0                   xgetbv
    85d2                     test edx,edx
    0f858d070000             jne 0000000000000F24h             unsaved yet
    a95cfdffff               test eax,0FFFFFD5Ch               all but x87, SSE, opmask, Hi16_ZMM, PKRU
    0f8582070000             jne 0000000000000F24h             unsaved yet
    0fae5dd0                 stmxcsr [rbp-30h]
    8b4dd0                   mov ecx,[rbp-30h]
    83e1c0                   and ecx,0FFFFFFC0h                without its flags
    81f9801f0000             cmp ecx,1F80h                     as a process begins with it
    0f856c070000             jne 0000000000000F24h             unsaved yet
    83e001                   and eax,1
    8945d8                   mov [rbp-28h],eax                 whether x87 is in use
    740b                     je short 00000000000007CBh        x87 saved
    480fae842440050000       fxsave64 [rsp+540h]
    dbe3                     fninit
x87 saved:
    0f290424                 movaps [rsp],xmm0
    0f294c2410               movaps [rsp+10h],xmm1
    0f29542420               movaps [rsp+20h],xmm2
    0f295c2430               movaps [rsp+30h],xmm3
    0f29642440               movaps [rsp+40h],xmm4
    0f296c2450               movaps [rsp+50h],xmm5
    0f29742460               movaps [rsp+60h],xmm6
    0f297c2470               movaps [rsp+70h],xmm7
    440f29842480000000       movaps [rsp+80h],xmm8
    440f298c2490000000       movaps [rsp+90h],xmm9
    440f299424a0000000       movaps [rsp+0A0h],xmm10
    440f299c24b0000000       movaps [rsp+0B0h],xmm11
    440f29a424c0000000       movaps [rsp+0C0h],xmm12
    440f29ac24d0000000       movaps [rsp+0D0h],xmm13
    440f29b424e0000000       movaps [rsp+0E0h],xmm14
    440f29bc24f0000000       movaps [rsp+0F0h],xmm15
    48833d1e0e000002         cmp qword ptr [1660h],2           AVX-512
    0f82d0000000             jb 0000000000000918h              vectors saved
    62e1fe487f442404         vmovdqu64 [rsp+100h],zmm16
    62e1fe487f4c2405         vmovdqu64 [rsp+140h],zmm17
    62e1fe487f542406         vmovdqu64 [rsp+180h],zmm18
    62e1fe487f5c2407         vmovdqu64 [rsp+1C0h],zmm19
    62e1fe487f642408         vmovdqu64 [rsp+200h],zmm20
    62e1fe487f6c2409         vmovdqu64 [rsp+240h],zmm21
    62e1fe487f74240a         vmovdqu64 [rsp+280h],zmm22
    62e1fe487f7c240b         vmovdqu64 [rsp+2C0h],zmm23
    6261fe487f44240c         vmovdqu64 [rsp+300h],zmm24
    6261fe487f4c240d         vmovdqu64 [rsp+340h],zmm25
    6261fe487f54240e         vmovdqu64 [rsp+380h],zmm26
    6261fe487f5c240f         vmovdqu64 [rsp+3C0h],zmm27
    6261fe487f642410         vmovdqu64 [rsp+400h],zmm28
    6261fe487f6c2411         vmovdqu64 [rsp+440h],zmm29
    6261fe487f742412         vmovdqu64 [rsp+480h],zmm30
    6261fe487f7c2413         vmovdqu64 [rsp+4C0h],zmm31
    c4e1f891842400050000     kmovq [rsp+500h],k0
    c4e1f8918c2408050000     kmovq [rsp+508h],k1
    c4e1f891942410050000     kmovq [rsp+510h],k2
    c4e1f8919c2418050000     kmovq [rsp+518h],k3
    c4e1f891a42420050000     kmovq [rsp+520h],k4
    c4e1f891ac2428050000     kmovq [rsp+528h],k5
    c4e1f891b42430050000     kmovq [rsp+530h],k6
    c4e1f891bc2438050000     kmovq [rsp+538h],k7
vectors saved:
    fc                       cld
    488b4348                 mov rax,[rbx+48h]                 HOLD
    48898558ffffff           mov [rbp-0A8h],rax
    4885c0                   test rax,rax
    741a                     je short 0000000000000943h        held
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    31ff                     xor edi,edi                       SIG_BLOCK
    488d35d1090000           lea rsi,[1308h]                   HELD
    488d55e0                 lea rdx,[rbp-20h]                 the mask before
    41ba08000000             mov r10d,8
    0f05                     syscall
held:
    f048ff0555070000         lock inc qword ptr [10A0h]        INSIDE
    48833d5507000000         cmp qword ptr [10A8h],0           OWNER
    0f85b6050000             jne 0000000000000F0Fh             outside
    ff15a90d0000             call qword ptr [1708h]            PyGILState_GetThisThreadState
    4885c0                   test rax,rax
    0f84a7050000             je 0000000000000F0Fh              outside
    ff15aa060000             call qword ptr [1018h]            __errno_location
    8b00                     mov eax,[rax]
    8945e8                   mov [rbp-18h],eax                 errno
    ff15a7060000             call qword ptr [1020h]            PyGILState_Ensure
    8945f0                   mov [rbp-10h],eax
    4c8b6b40                 mov r13,[rbx+40h]                 DIRECT, which nothing changes now
    4d85ed                   test r13,r13
    0f84ad030000             je 0000000000000D36h              not direct
    488b3db00c0000           mov rdi,[1640h]                   PENDING
    ff15120d0000             call qword ptr [16A8h]            PyDict_Size
    4885c0                   test rax,rax
    0f8597030000             jne 0000000000000D36h             not direct
    4c89e0                   mov rax,r12
    492b4510                 sub rax,[r13+10h]                 LOW
    493b4518                 cmp rax,[r13+18h]                 SPAN
    0f8386030000             jae 0000000000000D36h             not direct
    e8ae050000               call 0000000000000F63h            entry of the thread
    0f857b030000             jne 0000000000000D36h             not direct
    488b4818                 mov rcx,[rax+18h]                 DEPTH
    48898d50ffffff           mov [rbp-0B0h],rcx
    48ff01                   inc qword ptr [rcx]
    498b4528                 mov rax,[r13+28h]                 BITS
    48898568ffffff           mov [rbp-98h],rax
    4d8b7500                 mov r14,[r13]                     METHOD
    4c89f7                   mov rdi,r14
    ff15170d0000             call qword ptr [16F8h]            Py_IncRef
    4531ff                   xor r15d,r15d                     no result
    4c897dc0                 mov [rbp-40h],r15                 no value
    4c89e7                   mov rdi,r12
    492b7d08                 sub rdi,[r13+8]                   BASE
    ff15930c0000             call qword ptr [1688h]            PyLong_FromUnsignedLongLong
    48894598                 mov [rbp-68h],rax                 the offset
    4885c0                   test rax,rax
    7466                     je short 0000000000000A64h        called
    498b4520                 mov rax,[r13+20h]                 WIDTH
    488945a0                 mov [rbp-60h],rax
    49b80200000000000080     mov r8,8000000000000002h          two arguments, with room before them
    837df800                 cmp dword ptr [rbp-8],0
    7439                     je short 0000000000000A4Fh        arguments
    488bbd88000000           mov rdi,[rbp+88h]                 the value
    b940000000               mov ecx,40h
    2b8d68ffffff             sub ecx,[rbp-98h]                 BITS
    48d3e7                   shl rdi,cl
    48d3ef                   shr rdi,cl
    48897dc8                 mov [rbp-38h],rdi
    ff15500c0000             call qword ptr [1688h]            PyLong_FromUnsignedLongLong
    488945a8                 mov [rbp-58h],rax
    488945c0                 mov [rbp-40h],rax
    4885c0                   test rax,rax
    741f                     je short 0000000000000A64h        called
    49b80300000000000080     mov r8,8000000000000003h
arguments:
    4c89f7                   mov rdi,r14
    488d7598                 lea rsi,[rbp-68h]
    4c89c2                   mov rdx,r8
    31c9                     xor ecx,ecx
    ff15370c0000             call qword ptr [1698h]            PyObject_Vectorcall
    4989c7                   mov r15,rax
"""
