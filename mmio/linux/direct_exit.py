"""Second part of a direct call: check the device's answer, record the access, and restore the state.

`direct_entry.py` is the way to the device, and says what both are. Where the trace only keeps its rows, one is written
at their end. Any other trace is given the row by its method `append_row`, which may call Python functions.
"""

from typing import Final

DIRECT_EXIT: Final = """
called: r15 the result, 0 when an exception has been raised.
    488b8d50ffffff           mov rcx,[rbp-0B0h]
    48ff09                   dec qword ptr [rcx]               DEPTH
    488b7d98                 mov rdi,[rbp-68h]
    ff15e30d0000             call qword ptr [10C0h]            Py_DecRef
    488b7dc0                 mov rdi,[rbp-40h]
    ff15d90d0000             call qword ptr [10C0h]            Py_DecRef
    4c89f7                   mov rdi,r14
    ff15d00d0000             call qword ptr [10C0h]            Py_DecRef
    4d85ff                   test r15,r15
    0f84fb010000             je 00000000000004F4h
    837df800                 cmp dword ptr [rbp-8],0
    7552                     jne short 0000000000000351h
    488b05220d0000           mov rax,[1028h]                   INT
    49394708                 cmp [r15+8],rax                   ob_type
    0f8570020000             jne 0000000000000580h
    4c89ff                   mov rdi,r15
    ff15370d0000             call qword ptr [1050h]            PyLong_AsUnsignedLongLong
    488945c8                 mov [rbp-38h],rax
    4883f8ff                 cmp rax,0FFFFFFFFFFFFFFFFh
    7516                     jne short 0000000000000339h
    ff155f0d0000             call qword ptr [1088h]            PyErr_Occurred
    4885c0                   test rax,rax
    740b                     je short 0000000000000339h
    ff155c0d0000             call qword ptr [1090h]            PyErr_Clear
    e947020000               jmp 0000000000000580h
number:
    8b8d68ffffff             mov ecx,[rbp-98h]                 BITS
    83f940                   cmp ecx,40h
    740d                     je short 0000000000000351h
    488b45c8                 mov rax,[rbp-38h]
    48d3e8                   shr rax,cl
    0f852f020000             jne 0000000000000580h
stored: the access is a plain one. Recorded it is if nothing has changed meanwhile.
    4c89ff                   mov rdi,r15
    ff15660d0000             call qword ptr [10C0h]            Py_DecRef
    4c8b7dc8                 mov r15,[rbp-38h]                 the value
    4c396b40                 cmp [rbx+40h],r13                 DIRECT
    0f8501020000             jne 0000000000000569h
    488b3d990c0000           mov rdi,[1008h]                   WAITING
    ff15fb0c0000             call qword ptr [1070h]            PyList_Size
    4885c0                   test rax,rax
    0f85eb010000             jne 0000000000000569h
    498b7d30                 mov rdi,[r13+30h]                 TRACE
    4885ff                   test rdi,rdi
    0f843e010000             je 00000000000004C9h
    488b35860c0000           mov rsi,[1018h]                   ENABLED
    ff15c80c0000             call qword ptr [1060h]            PyObject_GetAttr
    4989c6                   mov r14,rax
    4889c7                   mov rdi,rax
    ff151c0d0000             call qword ptr [10C0h]            Py_DecRef
    4c3b358d0c0000           cmp r14,[1038h]                   FALSE
    0f8418010000             je 00000000000004C9h
    4c3b35780c0000           cmp r14,[1030h]                   TRUE
    0f85ab010000             jne 0000000000000569h
    e8ba030000               call 000000000000077Dh
    0f85a0010000             jne 0000000000000569h
    4c8b7010                 mov r14,[rax+10h]                 NUMBER
    4c89f1                   mov rcx,r14
    48c1e920                 shr rcx,20h
    0f858f010000             jne 0000000000000569h
    bf01000000               mov edi,1                         CLOCK_MONOTONIC
    488d75b0                 lea rsi,[rbp-50h]
    ff15070d0000             call qword ptr [10F0h]            clock_gettime
    486945b000ca9a3b         imul rax,[rbp-50h],3B9ACA00h      seconds in ns
    480345b8                 add rax,[rbp-48h]
    48898530ffffff           mov [rbp-0D0h],rax                the row: time
    4c89a538ffffff           mov [rbp-0C8h],r12                address
    4c89bd40ffffff           mov [rbp-0C0h],r15                value
    4489b548ffffff           mov [rbp-0B8h],r14d               site
    49837d3800               cmp qword ptr [r13+38h],0         ROWS
    7446                     je short 000000000000045Eh
    498b7d38                 mov rdi,[r13+38h]
    ff157e0c0000             call qword ptr [10A0h]            PyByteArray_Size
    488945c0                 mov [rbp-40h],rax
    498b7d38                 mov rdi,[r13+38h]
    488d701c                 lea rsi,[rax+1Ch]                 a row more
    ff15740c0000             call qword ptr [10A8h]            PyByteArray_Resize
    85c0                     test eax,eax
    0f852d010000             jne 0000000000000569h
    498b7d38                 mov rdi,[r13+38h]
    ff156a0c0000             call qword ptr [10B0h]            PyByteArray_AsString
    480345c0                 add rax,[rbp-40h]
    0f108530ffffff           movups xmm0,[rbp-0D0h]
    0f1100                   movups [rax],xmm0                 time and address
    4c897810                 mov [rax+10h],r15                 value
    44897018                 mov [rax+18h],r14d                site
    eb6b                     jmp short 00000000000004C9h
append: the trace has more to do than to keep its rows.
    488dbd30ffffff           lea rdi,[rbp-0D0h]
    be1c000000               mov esi,1Ch
    ff15700c0000             call qword ptr [10E0h]            PyBytes_FromStringAndSize
    4885c0                   test rax,rax
    0f84f0000000             je 0000000000000569h
    488945a0                 mov [rbp-60h],rax                 the argument
    4d8b7540                 mov r14,[r13+40h]                 APPEND
    4c89f7                   mov rdi,r14
    ff152e0c0000             call qword ptr [10B8h]            Py_IncRef
    4c89f7                   mov rdi,r14
    488d75a0                 lea rsi,[rbp-60h]
    48ba0100000000000080     mov rdx,8000000000000001h         one argument, with room before it
    31c9                     xor ecx,ecx
    ff15b50b0000             call qword ptr [1058h]            PyObject_Vectorcall
    488945a8                 mov [rbp-58h],rax
    488b7da0                 mov rdi,[rbp-60h]
    ff150f0c0000             call qword ptr [10C0h]            Py_DecRef
    4c89f7                   mov rdi,r14
    ff15060c0000             call qword ptr [10C0h]            Py_DecRef
    488b7da8                 mov rdi,[rbp-58h]
    4885ff                   test rdi,rdi
    7431                     je short 00000000000004F4h
    ff15f70b0000             call qword ptr [10C0h]            Py_DecRef
completed: a frame counts itself.
    f048ff4338               lock inc qword ptr [rbx+38h]      CALLS
    b803000000               mov eax,3
    837df800                 cmp dword ptr [rbp-8],0
    750f                     jne short 00000000000004E8h
    488b8d58ffffff           mov rcx,[rbp-0A8h]
    4c8939                   mov [rcx],r15                     the value
    b802000000               mov eax,2
result:
    48898560ffffff           mov [rbp-0A0h],rax
    e900010000               jmp 00000000000005F4h
exception: what has been raised is kept, as type, value and traceback.
    488d7d80                 lea rdi,[rbp-80h]
    488db578ffffff           lea rsi,[rbp-88h]
    488d9570ffffff           lea rdx,[rbp-90h]
    ff158c0b0000             call qword ptr [1098h]            PyErr_Fetch
    bf03000000               mov edi,3
    488b7580                 mov rsi,[rbp-80h]
    488b05240b0000           mov rax,[1040h]                   NONE
    488b9578ffffff           mov rdx,[rbp-88h]
    4885d2                   test rdx,rdx
    480f44d0                 cmove rdx,rax
    488b8d70ffffff           mov rcx,[rbp-90h]
    4885c9                   test rcx,rcx
    480f44c8                 cmove rcx,rax
    31c0                     xor eax,eax
    ff15400b0000             call qword ptr [1080h]            PyTuple_Pack
    4989c7                   mov r15,rax
    488b7d80                 mov rdi,[rbp-80h]
    ff15730b0000             call qword ptr [10C0h]            Py_DecRef
    488bbd78ffffff           mov rdi,[rbp-88h]
    ff15660b0000             call qword ptr [10C0h]            Py_DecRef
    488bbd70ffffff           mov rdi,[rbp-90h]
    ff15590b0000             call qword ptr [10C0h]            Py_DecRef
    eb32                     jmp short 000000000000059Bh
keep value: r15 a value that has been read or written, which is not recorded yet.
    ff15210b0000             call qword ptr [1090h]            PyErr_Clear
    4c89ff                   mov rdi,r15
    ff15d00a0000             call qword ptr [1048h]            PyLong_FromUnsignedLongLong
    4989c7                   mov r15,rax
    4885c0                   test rax,rax
    746e                     je short 00000000000005EEh
keep: r15 the object that the device has answered.
    bf01000000               mov edi,1
    4c89fe                   mov rsi,r15
    31c0                     xor eax,eax
    ff15f00a0000             call qword ptr [1080h]            PyTuple_Pack
    4997                     xchg r15,rax
    4889c7                   mov rdi,rax
    ff15250b0000             call qword ptr [10C0h]            Py_DecRef
kept: r15 the outcome, for the handler that makes the access otherwise.
    4d85ff                   test r15,r15
    744e                     je short 00000000000005EEh
    488b7de0                 mov rdi,[rbp-20h]                 the key
    ff159e0a0000             call qword ptr [1048h]            PyLong_FromUnsignedLongLong
    4989c6                   mov r14,rax
    4885c0                   test rax,rax
    743c                     je short 00000000000005EEh
    488b3d570a0000           mov rdi,[1010h]                   OUTCOMES
    4c89f6                   mov rsi,r14
    4c89fa                   mov rdx,r15
    ff15b30a0000             call qword ptr [1078h]            PyDict_SetItem
    488945c8                 mov [rbp-38h],rax
    4c89f7                   mov rdi,r14
    ff15ee0a0000             call qword ptr [10C0h]            Py_DecRef
    4c89ff                   mov rdi,r15
    ff15e50a0000             call qword ptr [10C0h]            Py_DecRef
    837dc800                 cmp dword ptr [rbp-38h],0
    750d                     jne short 00000000000005EEh
    48c78560ffffff01000000   mov qword ptr [rbp-0A0h],1        there is an outcome
    eb06                     jmp short 00000000000005F4h
forgotten: there is no memory for it, and the device is asked again.
    ff159c0a0000             call qword ptr [1090h]            PyErr_Clear
release:
    8b7df0                   mov edi,[rbp-10h]
    ff15db0a0000             call qword ptr [10D8h]            PyGILState_Release
    ff15e50a0000             call qword ptr [10E8h]            __errno_location
    8b4de8                   mov ecx,[rbp-18h]
    8908                     mov [rax],ecx
unknown thread:
    837dd800                 cmp dword ptr [rbp-28h],0
    7409                     je short 0000000000000617h        x87 loaded
    480fae8c2440050000       fxrstor64 [rsp+540h]
x87 loaded:
    48833d010a000001         cmp qword ptr [1020h],1           AVX
    0f82d9000000             jb 00000000000006FEh              vectors loaded
    c5f877                   vzeroupper
    0f84d0000000             je 00000000000006FEh              vectors loaded
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
    488b8560ffffff           mov rax,[rbp-0A0h]
    4889ec                   mov rsp,rbp
    5d                       pop rbp
    c3                       ret
entry of the thread: ZF is set, and rax the entry of this thread, by its stack; ZF is clear when there is none.
    498d4550                 lea rax,[r13+50h]                 ENTRIES
    b904000000               mov ecx,4
look:
    4889ea                   mov rdx,rbp
    482b10                   sub rdx,[rax]                     FLOOR
    483b5008                 cmp rdx,[rax+8]                   its size
    720b                     jb short 000000000000079Dh
    4883c020                 add rax,20h
    ffc9                     dec ecx
    75ec                     jne short 0000000000000786h
    ffc1                     inc ecx
    c3                       ret
found:
    39c0                     cmp eax,eax
    c3                       ret
"""
