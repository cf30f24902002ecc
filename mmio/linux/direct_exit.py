"""Fourth part of the trampoline: check the device's answer, record the access, and return to the stub.

`direct_entry.py` is the way to the device, and says what both are.
"""

from typing import Final

DIRECT_EXIT: Final = """
called: r15 the result, 0 when an exception has been raised.
    488b8d50ffffff           mov rcx,[rbp-0B0h]
    48ff09                   dec qword ptr [rcx]               DEPTH
    488b7d98                 mov rdi,[rbp-68h]
    ff15880c0000             call qword ptr [1700h]            Py_DecRef
    488b7dc0                 mov rdi,[rbp-40h]
    ff157e0c0000             call qword ptr [1700h]            Py_DecRef
    4c89f7                   mov rdi,r14
    ff15750c0000             call qword ptr [1700h]            Py_DecRef
    f048ff4338               lock inc qword ptr [rbx+38h]      CALLS
    4d85ff                   test r15,r15
    0f8486010000             je 0000000000000C1Fh              exception
    837df800                 cmp dword ptr [rbp-8],0
    7552                     jne short 0000000000000AF1h       stored
    488b05c20b0000           mov rax,[1668h]                   INT
    49394708                 cmp [r15+8],rax                   ob_type
    0f85ff010000             jne 0000000000000CAFh             keep
    4c89ff                   mov rdi,r15
    ff15d70b0000             call qword ptr [1690h]            PyLong_AsUnsignedLongLong
    488945c8                 mov [rbp-38h],rax
    4883f8ff                 cmp rax,0FFFFFFFFFFFFFFFFh
    7516                     jne short 0000000000000AD9h       number
    ff15ff0b0000             call qword ptr [16C8h]            PyErr_Occurred
    4885c0                   test rax,rax
    740b                     je short 0000000000000AD9h        number
    ff15fc0b0000             call qword ptr [16D0h]            PyErr_Clear
    e9d6010000               jmp 0000000000000CAFh             keep
number:
    8b8d68ffffff             mov ecx,[rbp-98h]                 BITS
    83f940                   cmp ecx,40h
    740d                     je short 0000000000000AF1h        stored
    488b45c8                 mov rax,[rbp-38h]
    48d3e8                   shr rax,cl
    0f85be010000             jne 0000000000000CAFh             keep
stored: the access is a plain one. Recorded it is if nothing has changed meanwhile.
    4c89ff                   mov rdi,r15
    ff15060c0000             call qword ptr [1700h]            Py_DecRef
    4c8b7dc8                 mov r15,[rbp-38h]                 the value
    4c396b40                 cmp [rbx+40h],r13                 DIRECT
    0f858c010000             jne 0000000000000C94h             keep value
    488b3d390b0000           mov rdi,[1648h]                   WAITING
    ff159b0b0000             call qword ptr [16B0h]            PyList_Size
    4885c0                   test rax,rax
    0f8576010000             jne 0000000000000C94h             keep value
    498b7d30                 mov rdi,[r13+30h]                 TRACE
    4885ff                   test rdi,rdi
    0f84ab000000             je 0000000000000BD6h              completed
    488b35260b0000           mov rsi,[1658h]                   ENABLED
    ff15680b0000             call qword ptr [16A0h]            PyObject_GetAttr
    4989c6                   mov r14,rax
    4889c7                   mov rdi,rax
    ff15bc0b0000             call qword ptr [1700h]            Py_DecRef
    4c3b352d0b0000           cmp r14,[1678h]                   FALSE
    0f8485000000             je 0000000000000BD6h              completed
    4c3b35180b0000           cmp r14,[1670h]                   TRUE
    0f8536010000             jne 0000000000000C94h             keep value
    e800040000               call 0000000000000F63h            entry of the thread
    0f852b010000             jne 0000000000000C94h             keep value
    4c8b7010                 mov r14,[rax+10h]                 NUMBER
    4c89f1                   mov rcx,r14
    48c1e920                 shr rcx,20h
    0f851a010000             jne 0000000000000C94h             keep value
    bf01000000               mov edi,1                         CLOCK_MONOTONIC
    488d75b0                 lea rsi,[rbp-50h]
    ff15870b0000             call qword ptr [1710h]            clock_gettime
    498b7d38                 mov rdi,[r13+38h]                 ROWS
    ff154d0b0000             call qword ptr [16E0h]            PyByteArray_Size
    488945c0                 mov [rbp-40h],rax
    498b7d38                 mov rdi,[r13+38h]
    488d701c                 lea rsi,[rax+1Ch]                 a row more
    ff15430b0000             call qword ptr [16E8h]            PyByteArray_Resize
    85c0                     test eax,eax
    0f85e7000000             jne 0000000000000C94h             keep value
    498b7d38                 mov rdi,[r13+38h]
    ff15390b0000             call qword ptr [16F0h]            PyByteArray_AsString
    480345c0                 add rax,[rbp-40h]
    48694db000ca9a3b         imul rcx,[rbp-50h],3B9ACA00h      seconds in ns
    48034db8                 add rcx,[rbp-48h]
    488908                   mov [rax],rcx                     time
    4c896008                 mov [rax+8],r12                   address
    4c897810                 mov [rax+10h],r15                 value
    44897018                 mov [rax+18h],r14d                site
completed:
    837df800                 cmp dword ptr [rbp-8],0
    7522                     jne short 0000000000000BFEh       completed store
    488b8588000000           mov rax,[rbp+88h]                 rax
    4c89bd88000000           mov [rbp+88h],r15                 the value in its place
    488385800000000e         add qword ptr [rbp+80h],0Eh       to where the stub takes it
    488d8d80000000           lea rcx,[rbp+80h]
    e93d010000               jmp 0000000000000D3Bh             release
completed store:
    488b8598000000           mov rax,[rbp+98h]                 rax
    488b8d80000000           mov rcx,[rbp+80h]
    48898d98000000           mov [rbp+98h],rcx                 the return address in its place
    488d8d98000000           lea rcx,[rbp+98h]
    e91c010000               jmp 0000000000000D3Bh             release
exception: what has been raised is kept, as type, value and traceback.
    488d7d80                 lea rdi,[rbp-80h]
    488db578ffffff           lea rsi,[rbp-88h]
    488d9570ffffff           lea rdx,[rbp-90h]
    ff15a10a0000             call qword ptr [16D8h]            PyErr_Fetch
    bf03000000               mov edi,3
    488b7580                 mov rsi,[rbp-80h]
    488b05390a0000           mov rax,[1680h]                   NONE
    488b9578ffffff           mov rdx,[rbp-88h]
    4885d2                   test rdx,rdx
    480f44d0                 cmove rdx,rax
    488b8d70ffffff           mov rcx,[rbp-90h]
    4885c9                   test rcx,rcx
    480f44c8                 cmove rcx,rax
    31c0                     xor eax,eax
    ff15550a0000             call qword ptr [16C0h]            PyTuple_Pack
    4989c7                   mov r15,rax
    488b7d80                 mov rdi,[rbp-80h]
    ff15880a0000             call qword ptr [1700h]            Py_DecRef
    488bbd78ffffff           mov rdi,[rbp-88h]
    ff157b0a0000             call qword ptr [1700h]            Py_DecRef
    488bbd70ffffff           mov rdi,[rbp-90h]
    ff156e0a0000             call qword ptr [1700h]            Py_DecRef
    eb36                     jmp short 0000000000000CCAh       kept
keep value: r15 a value that has been read or written, which is not recorded yet.
    ff15360a0000             call qword ptr [16D0h]            PyErr_Clear
    4c89ff                   mov rdi,r15
    ff15e5090000             call qword ptr [1688h]            PyLong_FromUnsignedLongLong
    4989c7                   mov r15,rax
    4885c0                   test rax,rax
    0f8481000000             je 0000000000000D30h              forgotten
keep: r15 the object that the device has answered.
    bf01000000               mov edi,1
    4c89fe                   mov rsi,r15
    31c0                     xor eax,eax
    ff15010a0000             call qword ptr [16C0h]            PyTuple_Pack
    4997                     xchg r15,rax
    4889c7                   mov rdi,rax
    ff15360a0000             call qword ptr [1700h]            Py_DecRef
kept: r15 the outcome, for the handler that makes the access otherwise.
    4d85ff                   test r15,r15
    7461                     je short 0000000000000D30h        forgotten
    488b7df8                 mov rdi,[rbp-8]
    48c1e704                 shl rdi,4
    488dbc2f80000000         lea rdi,[rdi+rbp+80h]             STUB
    ff15a3090000             call qword ptr [1688h]            PyLong_FromUnsignedLongLong
    4989c6                   mov r14,rax
    4885c0                   test rax,rax
    7443                     je short 0000000000000D30h        forgotten
    488b3d5c090000           mov rdi,[1650h]                   OUTCOMES
    4c89f6                   mov rsi,r14
    4c89fa                   mov rdx,r15
    ff15b8090000             call qword ptr [16B8h]            PyDict_SetItem
    488945c8                 mov [rbp-38h],rax
    4c89f7                   mov rdi,r14
    ff15f3090000             call qword ptr [1700h]            Py_DecRef
    4c89ff                   mov rdi,r15
    ff15ea090000             call qword ptr [1700h]            Py_DecRef
    837dc800                 cmp dword ptr [rbp-38h],0
    7514                     jne short 0000000000000D30h       forgotten
    488b45f8                 mov rax,[rbp-8]
    48c1e004                 shl rax,4
    480fbaac28900000003f     bts qword ptr [rax+rbp+90h],3Fh   the flags say that there is one
    eb06                     jmp short 0000000000000D36h       not direct
forgotten: there is no memory for it, and the device is asked again.
    ff159a090000             call qword ptr [16D0h]            PyErr_Clear
not direct:
    e8fb010000               call 0000000000000F36h            to a frame
release: rax that of the driver, or the address for a frame; rcx the stack pointer there.
    48898560ffffff           mov [rbp-0A0h],rax
    48894d70                 mov [rbp+70h],rcx
    8b7df0                   mov edi,[rbp-10h]
    ff15d9020000             call qword ptr [1028h]            PyGILState_Release
    ff15c3020000             call qword ptr [1018h]            __errno_location
    8b4de8                   mov ecx,[rbp-18h]
    8908                     mov [rax],ecx
released:
    f048ff0d3e030000         lock dec qword ptr [10A0h]        INSIDE
    4883bd58ffffff00         cmp qword ptr [rbp-0A8h],0        HOLD
    7418                     je short 0000000000000D84h        let go
    b80e000000               mov eax,0Eh                       rt_sigprocmask
    bf02000000               mov edi,2                         SIG_SETMASK
    488d75e0                 lea rsi,[rbp-20h]
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    0f05                     syscall
let go:
    837dd800                 cmp dword ptr [rbp-28h],0
    7409                     je short 0000000000000D93h        x87 loaded
    480fae8c2440050000       fxrstor64 [rsp+540h]
x87 loaded:
    48833dc508000001         cmp qword ptr [1660h],1           AVX
    0f82d9000000             jb 0000000000000E7Ah              vectors loaded
    c5f877                   vzeroupper
    0f84d0000000             je 0000000000000E7Ah              vectors loaded
    62e1fe486f442404         vmovdqu64 zmm16,[rsp+100h]
    62e1fe486f4c2405         vmovdqu64 zmm17,[rsp+140h]
    62e1fe486f542406         vmovdqu64 zmm18,[rsp+180h]
    62e1fe486f5c2407         vmovdqu64 zmm19,[rsp+1C0h]
    62e1fe486f642408         vmovdqu64 zmm20,[rsp+200h]
    62e1fe486f6c2409         vmovdqu64 zmm21,[rsp+240h]
    62e1fe486f74240a         vmovdqu64 zmm22,[rsp+280h]
    62e1fe486f7c240b         vmovdqu64 zmm23,[rsp+2C0h]
    6261fe486f44240c         vmovdqu64 zmm24,[rsp+300h]
    6261fe486f4c240d         vmovdqu64 zmm25,[rsp+340h]
    6261fe486f54240e         vmovdqu64 zmm26,[rsp+380h]
    6261fe486f5c240f         vmovdqu64 zmm27,[rsp+3C0h]
    6261fe486f642410         vmovdqu64 zmm28,[rsp+400h]
    6261fe486f6c2411         vmovdqu64 zmm29,[rsp+440h]
    6261fe486f742412         vmovdqu64 zmm30,[rsp+480h]
    6261fe486f7c2413         vmovdqu64 zmm31,[rsp+4C0h]
    c4e1f890842400050000     kmovq k0,[rsp+500h]
    c4e1f8908c2408050000     kmovq k1,[rsp+508h]
    c4e1f890942410050000     kmovq k2,[rsp+510h]
    c4e1f8909c2418050000     kmovq k3,[rsp+518h]
    c4e1f890a42420050000     kmovq k4,[rsp+520h]
    c4e1f890ac2428050000     kmovq k5,[rsp+528h]
    c4e1f890b42430050000     kmovq k6,[rsp+530h]
    c4e1f890bc2438050000     kmovq k7,[rsp+538h]
vectors loaded:
    0f280424                 movaps xmm0,[rsp]
    0f284c2410               movaps xmm1,[rsp+10h]
    0f28542420               movaps xmm2,[rsp+20h]
    0f285c2430               movaps xmm3,[rsp+30h]
    0f28642440               movaps xmm4,[rsp+40h]
    0f286c2450               movaps xmm5,[rsp+50h]
    0f28742460               movaps xmm6,[rsp+60h]
    0f287c2470               movaps xmm7,[rsp+70h]
    440f28842480000000       movaps xmm8,[rsp+80h]
    440f288c2490000000       movaps xmm9,[rsp+90h]
    440f289424a0000000       movaps xmm10,[rsp+0A0h]
    440f289c24b0000000       movaps xmm11,[rsp+0B0h]
    440f28a424c0000000       movaps xmm12,[rsp+0C0h]
    440f28ac24d0000000       movaps xmm13,[rsp+0D0h]
    440f28b424e0000000       movaps xmm14,[rsp+0E0h]
    440f28bc24f0000000       movaps xmm15,[rsp+0F0h]
    0fae55d0                 ldmxcsr [rbp-30h]
registers:
    488b8560ffffff           mov rax,[rbp-0A0h]
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
outside: another thread alone may enter Python, or Python does not know this one, which it would have to make twice.
    e822000000               call 0000000000000F36h            to a frame
    48898560ffffff           mov [rbp-0A0h],rax
    48894d70                 mov [rbp+70h],rcx
    e936feffff               jmp 0000000000000D5Ah             released
unsaved yet:
    e80d000000               call 0000000000000F36h            to a frame
    48898560ffffff           mov [rbp-0A0h],rax
    48894d70                 mov [rbp+70h],rcx
    ebb7                     jmp short 0000000000000EEDh       registers
to a frame: prepare the stack for the way by a frame, which begins with the return address on it; rcx where.
    488d0599f4ffff           lea rax,[3D6h]
    488d4d78                 lea rcx,[rbp+78h]
    837df800                 cmp dword ptr [rbp-8],0
    7415                     je short 0000000000000F5Ch        place
    488b9580000000           mov rdx,[rbp+80h]
    48899590000000           mov [rbp+90h],rdx                 the return address
    488d8d88000000           lea rcx,[rbp+88h]
place:
    488901                   mov [rcx],rax
    4c89e0                   mov rax,r12
    c3                       ret
entry of the thread: ZF is set, and rax the entry of this thread, by its stack; ZF is clear when there is none.
    498d4540                 lea rax,[r13+40h]                 ENTRIES
    b904000000               mov ecx,4
look:
    4889ea                   mov rdx,rbp
    482b10                   sub rdx,[rax]                     FLOOR
    483b5008                 cmp rdx,[rax+8]                   its size
    720b                     jb short 0000000000000F83h        found
    4883c020                 add rax,20h
    ffc9                     dec ecx
    75ec                     jne short 0000000000000F6Ch       look
    ffc1                     inc ecx
    c3                       ret
found:
    39c0                     cmp eax,eax
    c3                       ret
"""
