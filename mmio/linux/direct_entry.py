"""First part of a direct call: save the state, take the GIL, and call the device.

An access of a patched plain load or store (`mmio/patching/direct.py`) comes here from the machine code of its engine:
`mmio/linux/direct_stubs.py` in this process, `mmio/hosted/direct_stubs.py` for hosted programs. What it needs stands in
a *block* of words (`mmio/live/direct_calls.py`): the device's method, the addresses of its segment, the trace, and for
each of some threads the number of the site. So the device is called with Python's C API, and the row of the record is
written into the trace, with no other Python function in between.

It is all as the handler would do it, or else the handler does it: where the block is missing, where the thread or the
address is not in it, or something is requested that is done at an access, the engine makes a frame. When the device has
been called by then, its answer or its exception goes along as an *outcome*.

The engine has saved the general registers. What else Python and the C library may use is saved here: XMM and MXCSR,
with AVX-512 also what the C library uses (ZMM16 to 31 and masks); x87 and the upper halves of YMM0 to 15 and ZMM0 to 15
where they are in use, these with XSAVE. Where AMX is in use, a frame is made (XGETBV with ECX = 1, SDM vol. 1, 13.6).

A value of more than eight bytes is passed as an int, too: the methods `from_bytes` and `to_bytes` make it and take it.
What is called then records the access itself (`mmio/live/wide_access.py`).

| register | at the call |
|---|---|
| rbx | the address of the words of the stub (`mmio/patching/stub.py`) |
| r12 | the address of the operand, or the port |
| r13 | the state components in use, as `can save` leaves them |
| r14 | the address of the value that is stored, or where the one that is loaded is put |
| r15 | the key of the outcome |

The result in eax: 0 a frame is to be made, 1 one with an outcome, 2 the value has been loaded, 3 it has been stored.
"""

from typing import Final

DIRECT_ENTRY: Final = """
can save: eax the state components in use, also in r13d; ZF is set when `device call` keeps them.
    b901000000               mov ecx,1
    0f01d0                   xgetbv
    4189c5                   mov r13d,eax
    85d2                     test edx,edx
    7519                     jne short 0000000000000028h
    a918fdffff               test eax,0FFFFFD18h               all but x87, SSE, AVX, opmask, ZMM, PKRU
    7512                     jne short 0000000000000028h
    0fae5c24f8               stmxcsr [rsp-8]
    8b4c24f8                 mov ecx,[rsp-8]
    83e1c0                   and ecx,0FFFFFFC0h                without its flags
    81f9801f0000             cmp ecx,1F80h                     as a process begins with it
no:
    c3                       ret
device call: rbx, r12 to r15 and the result as above. Signals are blocked, or need not be.
    55                       push rbp
    4889e5                   mov rbp,rsp
    4881ec00100000           sub rsp,1000h
    4883e4c0                 and rsp,0FFFFFFFFFFFFFFC0h
    4c89b558ffffff           mov [rbp-0A8h],r14                where the value is
    4c897de0                 mov [rbp-20h],r15                 the key of the outcome
    0fae5dd0                 stmxcsr [rbp-30h]
    44896dd8                 mov [rbp-28h],r13d                the components in use
    41f6c501                 test r13b,1
    740b                     je short 000000000000005Ch        x87 saved
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
    48833d4d0f000002         cmp qword ptr [1020h],2           AVX-512
    0f820c010000             jb 00000000000001E5h              vectors saved
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
    41f6c544                 test r13b,44h                     upper halves of YMM and ZMM
    7436                     je short 00000000000001E5h        uppers saved
    0f57c0                   xorps xmm0,xmm0                   the header of an XSAVE area
    0f29842440090000         movaps [rsp+940h],xmm0
    0f29842450090000         movaps [rsp+950h],xmm0
    0f29842460090000         movaps [rsp+960h],xmm0
    0f29842470090000         movaps [rsp+970h],xmm0
    b844000000               mov eax,44h
    31d2                     xor edx,edx
    480faea42440070000       xsave64 [rsp+740h]
    c5f877                   vzeroupper
uppers saved:
    fc                       cld
    31c0                     xor eax,eax
    48898560ffffff           mov [rbp-0A0h],rax                a frame is to be made
    ff15d30e0000             call qword ptr [10C8h]            PyGILState_GetThisThreadState
    4885c0                   test rax,rax
    0f848d040000             je 000000000000068Bh              Python would have to make a state twice
    ff15e40e0000             call qword ptr [10E8h]            __errno_location
    8b00                     mov eax,[rax]
    8945e8                   mov [rbp-18h],eax                 errno
    ff15c10e0000             call qword ptr [10D0h]            PyGILState_Ensure
    8945f0                   mov [rbp-10h],eax
    4c8b6b40                 mov r13,[rbx+40h]                 DIRECT, which nothing changes now
    4d85ed                   test r13,r13
    0f8458040000             je 0000000000000677h
    488b3dda0d0000           mov rdi,[1000h]                   PENDING
    ff153c0e0000             call qword ptr [1068h]            PyDict_Size
    4885c0                   test rax,rax
    0f8542040000             jne 0000000000000677h
    4c89e0                   mov rax,r12
    492b4510                 sub rax,[r13+10h]                 LOW
    493b4518                 cmp rax,[r13+18h]                 SPAN
    0f8331040000             jae 0000000000000677h
    4d856550                 test [r13+50h],r12                UNALIGNED: an instruction that is to raise an exception
    0f8527040000             jne 0000000000000677h
    e8c1050000               call 0000000000000816h
    0f851c040000             jne 0000000000000677h
    488b4818                 mov rcx,[rax+18h]                 DEPTH
    48898d50ffffff           mov [rbp-0B0h],rcx
    48ff01                   inc qword ptr [rcx]
    498b4548                 mov rax,[r13+48h]                 STORES
    488945f8                 mov [rbp-8],rax
    498b4528                 mov rax,[r13+28h]                 BITS
    48898568ffffff           mov [rbp-98h],rax
    4d8b7500                 mov r14,[r13]                     METHOD
    4c89f7                   mov rdi,r14
    ff152f0e0000             call qword ptr [10B8h]            Py_IncRef
    4531ff                   xor r15d,r15d                     no result
    4c897dc0                 mov [rbp-40h],r15                 no value
    4c89e7                   mov rdi,r12
    492b7d08                 sub rdi,[r13+8]                   BASE
    ff15ab0d0000             call qword ptr [1048h]            PyLong_FromUnsignedLongLong
    48894598                 mov [rbp-68h],rax                 the offset
    4885c0                   test rax,rax
    7479                     je short 000000000000031Fh
    498b4520                 mov rax,[r13+20h]                 WIDTH
    488945a0                 mov [rbp-60h],rax
    49b80200000000000080     mov r8,8000000000000002h          two arguments, with room before them
    837df800                 cmp dword ptr [rbp-8],0
    744c                     je short 000000000000030Ah
    83bd68ffffff40           cmp dword ptr [rbp-98h],40h       BITS
    7607                     jbe short 00000000000002CEh       narrow value
    e86d050000               call 0000000000000839h            value of bytes
    eb25                     jmp short 00000000000002F3h       value made
narrow value:
    488bbd58ffffff           mov rdi,[rbp-0A8h]
    488b3f                   mov rdi,[rdi]                     the value
    b940000000               mov ecx,40h
    2b8d68ffffff             sub ecx,[rbp-98h]                 BITS
    48d3e7                   shl rdi,cl
    48d3ef                   shr rdi,cl
    48897dc8                 mov [rbp-38h],rdi
    ff15550d0000             call qword ptr [1048h]            PyLong_FromUnsignedLongLong
value made:
    488945a8                 mov [rbp-58h],rax
    488945c0                 mov [rbp-40h],rax
    4885c0                   test rax,rax
    741f                     je short 000000000000031Fh
    49b80300000000000080     mov r8,8000000000000003h
arguments:
    4c89f7                   mov rdi,r14
    488d7598                 lea rsi,[rbp-68h]
    4c89c2                   mov rdx,r8
    31c9                     xor ecx,ecx
    ff153c0d0000             call qword ptr [1058h]            PyObject_Vectorcall
    4989c7                   mov r15,rax
"""
