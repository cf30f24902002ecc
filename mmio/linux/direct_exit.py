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
    ff158d0d0000             call qword ptr [10C0h]            Py_DecRef
    488b7dc0                 mov rdi,[rbp-40h]
    ff15830d0000             call qword ptr [10C0h]            Py_DecRef
    4c89f7                   mov rdi,r14
    ff157a0d0000             call qword ptr [10C0h]            Py_DecRef
    4d85ff                   test r15,r15
    0f8418020000             je 0000000000000567h
    837df800                 cmp dword ptr [rbp-8],0
    7566                     jne short 00000000000003BBh
    488b05cc0c0000           mov rax,[1028h]                   INT
    49394708                 cmp [r15+8],rax                   ob_type
    0f859d020000             jne 0000000000000603h
    83bd68ffffff40           cmp dword ptr [rbp-98h],40h       BITS
    7729                     ja short 0000000000000398h        wide number
    4c89ff                   mov rdi,r15
    ff15d80c0000             call qword ptr [1050h]            PyLong_AsUnsignedLongLong
    488945c8                 mov [rbp-38h],rax
    4883f8ff                 cmp rax,0FFFFFFFFFFFFFFFFh
    7521                     jne short 00000000000003A3h
    ff15000d0000             call qword ptr [1088h]            PyErr_Occurred
    4885c0                   test rax,rax
    7416                     je short 00000000000003A3h
no number:
    ff15fd0c0000             call qword ptr [1090h]            PyErr_Clear
    e96b020000               jmp 0000000000000603h
wide number: its bytes are put where the value is.
    e8ff040000               call 000000000000089Ch            bytes of value
    85c0                     test eax,eax
    751a                     jne short 00000000000003BBh       stored
    ebea                     jmp short 000000000000038Dh       no number
number:
    8b8d68ffffff             mov ecx,[rbp-98h]                 BITS
    83f940                   cmp ecx,40h
    740d                     je short 00000000000003BBh
    488b45c8                 mov rax,[rbp-38h]
    48d3e8                   shr rax,cl
    0f8548020000             jne 0000000000000603h
stored: the access is a plain one. Recorded it is if nothing has changed meanwhile.
    4c89ff                   mov rdi,r15
    ff15fc0c0000             call qword ptr [10C0h]            Py_DecRef
    4c8b7dc8                 mov r15,[rbp-38h]                 the value
    4c396b40                 cmp [rbx+40h],r13                 DIRECT
    0f850a020000             jne 00000000000005DCh
    488b3d2f0c0000           mov rdi,[1008h]                   WAITING
    ff15910c0000             call qword ptr [1070h]            PyList_Size
    4885c0                   test rax,rax
    0f85f4010000             jne 00000000000005DCh
    498b7d30                 mov rdi,[r13+30h]                 TRACE
    4885ff                   test rdi,rdi
    0f843e010000             je 0000000000000533h
    488b351c0c0000           mov rsi,[1018h]                   ENABLED
    ff155e0c0000             call qword ptr [1060h]            PyObject_GetAttr
    4989c6                   mov r14,rax
    4889c7                   mov rdi,rax
    ff15b20c0000             call qword ptr [10C0h]            Py_DecRef
    4c3b35230c0000           cmp r14,[1038h]                   FALSE
    0f8418010000             je 0000000000000533h
    4c3b350e0c0000           cmp r14,[1030h]                   TRUE
    0f85b4010000             jne 00000000000005DCh
    e8e9030000               call 0000000000000816h
    0f85a9010000             jne 00000000000005DCh
    4c8b7010                 mov r14,[rax+10h]                 NUMBER
    4c89f1                   mov rcx,r14
    48c1e920                 shr rcx,20h
    0f8598010000             jne 00000000000005DCh
    bf01000000               mov edi,1                         CLOCK_MONOTONIC
    488d75b0                 lea rsi,[rbp-50h]
    ff159d0c0000             call qword ptr [10F0h]            clock_gettime
    486945b000ca9a3b         imul rax,[rbp-50h],3B9ACA00h      seconds in ns
    480345b8                 add rax,[rbp-48h]
    48898530ffffff           mov [rbp-0D0h],rax                the row: time
    4c89a538ffffff           mov [rbp-0C8h],r12                address
    4c89bd40ffffff           mov [rbp-0C0h],r15                value
    4489b548ffffff           mov [rbp-0B8h],r14d               site
    49837d3800               cmp qword ptr [r13+38h],0         ROWS
    7446                     je short 00000000000004C8h
    498b7d38                 mov rdi,[r13+38h]
    ff15140c0000             call qword ptr [10A0h]            PyByteArray_Size
    488945c0                 mov [rbp-40h],rax
    498b7d38                 mov rdi,[r13+38h]
    488d701c                 lea rsi,[rax+1Ch]                 a row more
    ff150a0c0000             call qword ptr [10A8h]            PyByteArray_Resize
    85c0                     test eax,eax
    0f8536010000             jne 00000000000005DCh
    498b7d38                 mov rdi,[r13+38h]
    ff15000c0000             call qword ptr [10B0h]            PyByteArray_AsString
    480345c0                 add rax,[rbp-40h]
    0f108530ffffff           movups xmm0,[rbp-0D0h]
    0f1100                   movups [rax],xmm0                 time and address
    4c897810                 mov [rax+10h],r15                 value
    44897018                 mov [rax+18h],r14d                site
    eb6b                     jmp short 0000000000000533h
append: the trace has more to do than to keep its rows.
    488dbd30ffffff           lea rdi,[rbp-0D0h]
    be1c000000               mov esi,1Ch
    ff15060c0000             call qword ptr [10E0h]            PyBytes_FromStringAndSize
    4885c0                   test rax,rax
    0f84f9000000             je 00000000000005DCh
    488945a0                 mov [rbp-60h],rax                 the argument
    4d8b7540                 mov r14,[r13+40h]                 APPEND
    4c89f7                   mov rdi,r14
    ff15c40b0000             call qword ptr [10B8h]            Py_IncRef
    4c89f7                   mov rdi,r14
    488d75a0                 lea rsi,[rbp-60h]
    48ba0100000000000080     mov rdx,8000000000000001h         one argument, with room before it
    31c9                     xor ecx,ecx
    ff154b0b0000             call qword ptr [1058h]            PyObject_Vectorcall
    488945a8                 mov [rbp-58h],rax
    488b7da0                 mov rdi,[rbp-60h]
    ff15a50b0000             call qword ptr [10C0h]            Py_DecRef
    4c89f7                   mov rdi,r14
    ff159c0b0000             call qword ptr [10C0h]            Py_DecRef
    488b7da8                 mov rdi,[rbp-58h]
    4885ff                   test rdi,rdi
    743a                     je short 0000000000000567h
    ff158d0b0000             call qword ptr [10C0h]            Py_DecRef
completed: a frame counts itself.
    f048ff4338               lock inc qword ptr [rbx+38h]      CALLS
    b803000000               mov eax,3
    837df800                 cmp dword ptr [rbp-8],0
    7518                     jne short 000000000000055Bh
    b802000000               mov eax,2
    83bd68ffffff40           cmp dword ptr [rbp-98h],40h       BITS
    770a                     ja short 000000000000055Bh        result
    488b8d58ffffff           mov rcx,[rbp-0A8h]
    4c8939                   mov [rcx],r15                     the value
result:
    48898560ffffff           mov [rbp-0A0h],rax
    e910010000               jmp 0000000000000677h
exception: what has been raised is kept, as type, value and traceback.
    488d7d80                 lea rdi,[rbp-80h]
    488db578ffffff           lea rsi,[rbp-88h]
    488d9570ffffff           lea rdx,[rbp-90h]
    ff15190b0000             call qword ptr [1098h]            PyErr_Fetch
    bf03000000               mov edi,3
    488b7580                 mov rsi,[rbp-80h]
    488b05b10a0000           mov rax,[1040h]                   NONE
    488b9578ffffff           mov rdx,[rbp-88h]
    4885d2                   test rdx,rdx
    480f44d0                 cmove rdx,rax
    488b8d70ffffff           mov rcx,[rbp-90h]
    4885c9                   test rcx,rcx
    480f44c8                 cmove rcx,rax
    31c0                     xor eax,eax
    ff15cd0a0000             call qword ptr [1080h]            PyTuple_Pack
    4989c7                   mov r15,rax
    488b7d80                 mov rdi,[rbp-80h]
    ff15000b0000             call qword ptr [10C0h]            Py_DecRef
    488bbd78ffffff           mov rdi,[rbp-88h]
    ff15f30a0000             call qword ptr [10C0h]            Py_DecRef
    488bbd70ffffff           mov rdi,[rbp-90h]
    ff15e60a0000             call qword ptr [10C0h]            Py_DecRef
    eb42                     jmp short 000000000000061Eh
keep value: r15 a value that has been read or written, which is not recorded yet.
    ff15ae0a0000             call qword ptr [1090h]            PyErr_Clear
    83bd68ffffff40           cmp dword ptr [rbp-98h],40h       BITS
    7607                     jbe short 00000000000005F2h       narrow value kept
    e849020000               call 0000000000000839h            value of bytes
    eb09                     jmp short 00000000000005FBh       value kept
narrow value kept:
    4c89ff                   mov rdi,r15
    ff154d0a0000             call qword ptr [1048h]            PyLong_FromUnsignedLongLong
value kept:
    4989c7                   mov r15,rax
    4885c0                   test rax,rax
    746e                     je short 0000000000000671h
keep: r15 the object that the device has answered.
    bf01000000               mov edi,1
    4c89fe                   mov rsi,r15
    31c0                     xor eax,eax
    ff156d0a0000             call qword ptr [1080h]            PyTuple_Pack
    4997                     xchg r15,rax
    4889c7                   mov rdi,rax
    ff15a20a0000             call qword ptr [10C0h]            Py_DecRef
kept: r15 the outcome, for the handler that makes the access otherwise.
    4d85ff                   test r15,r15
    744e                     je short 0000000000000671h
    488b7de0                 mov rdi,[rbp-20h]                 the key
    ff151b0a0000             call qword ptr [1048h]            PyLong_FromUnsignedLongLong
    4989c6                   mov r14,rax
    4885c0                   test rax,rax
    743c                     je short 0000000000000671h
    488b3dd4090000           mov rdi,[1010h]                   OUTCOMES
    4c89f6                   mov rsi,r14
    4c89fa                   mov rdx,r15
    ff15300a0000             call qword ptr [1078h]            PyDict_SetItem
    488945c8                 mov [rbp-38h],rax
    4c89f7                   mov rdi,r14
    ff156b0a0000             call qword ptr [10C0h]            Py_DecRef
    4c89ff                   mov rdi,r15
    ff15620a0000             call qword ptr [10C0h]            Py_DecRef
    837dc800                 cmp dword ptr [rbp-38h],0
    750d                     jne short 0000000000000671h
    48c78560ffffff01000000   mov qword ptr [rbp-0A0h],1        there is an outcome
    eb06                     jmp short 0000000000000677h
forgotten: there is no memory for it, and the device is asked again.
    ff15190a0000             call qword ptr [1090h]            PyErr_Clear
release:
    8b7df0                   mov edi,[rbp-10h]
    ff15580a0000             call qword ptr [10D8h]            PyGILState_Release
    ff15620a0000             call qword ptr [10E8h]            __errno_location
    8b4de8                   mov ecx,[rbp-18h]
    8908                     mov [rax],ecx
unknown thread:
    f645d801                 test byte ptr [rbp-28h],1
    7409                     je short 000000000000069Ah        x87 loaded
    480fae8c2440050000       fxrstor64 [rsp+540h]
x87 loaded:
    48833d7e09000001         cmp qword ptr [1020h],1           AVX
    0f82d9000000             jb 0000000000000781h              vectors loaded
    c5f877                   vzeroupper
    0f84d0000000             je 0000000000000781h              vectors loaded
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
    f645d844                 test byte ptr [rbp-28h],44h
    7410                     je short 0000000000000806h        uppers loaded
    b844000000               mov eax,44h
    31d2                     xor edx,edx
    480faeac2440070000       xrstor64 [rsp+740h]
uppers loaded:
    0fae55d0                 ldmxcsr [rbp-30h]
    488b8560ffffff           mov rax,[rbp-0A0h]
    4889ec                   mov rsp,rbp
    5d                       pop rbp
    c3                       ret
entry of the thread: ZF is set, and rax the entry of this thread, by its stack; ZF is clear when there is none.
    498d4558                 lea rax,[r13+58h]                 ENTRIES
    b904000000               mov ecx,4
look:
    4889ea                   mov rdx,rbp
    482b10                   sub rdx,[rax]                     FLOOR
    483b5008                 cmp rdx,[rax+8]                   its size
    720b                     jb short 0000000000000836h
    4883c020                 add rax,20h
    ffc9                     dec ecx
    75ec                     jne short 000000000000081Fh
    ffc1                     inc ecx
    c3                       ret
found:
    39c0                     cmp eax,eax
    c3                       ret
value of bytes: rax an int of what is where the value is, 0 when an exception has been raised.
    4883ec28                 sub rsp,28h
    488bbd58ffffff           mov rdi,[rbp-0A8h]
    8bb568ffffff             mov esi,[rbp-98h]                 BITS
    c1ee03                   shr esi,3
    ff158d080000             call qword ptr [10E0h]            PyBytes_FromStringAndSize
    4885c0                   test rax,rax
    743f                     je short 0000000000000897h        no value
    4889442408               mov [rsp+8],rax
    488b0da4080000           mov rcx,[1108h]                   LITTLE
    48894c2410               mov [rsp+10h],rcx
    488b3d88080000           mov rdi,[10F8h]                   FROM_BYTES
    488d742408               lea rsi,[rsp+8]
    ba02000000               mov edx,2                         two arguments
    31c9                     xor ecx,ecx
    ff15d6070000             call qword ptr [1058h]            PyObject_Vectorcall
    488b7c2408               mov rdi,[rsp+8]
    4889442408               mov [rsp+8],rax
    ff152e080000             call qword ptr [10C0h]            Py_DecRef
    488b442408               mov rax,[rsp+8]
no value:
    4883c428                 add rsp,28h
    c3                       ret
bytes of value: r15 an int, which is put where the value is; eax 0 when an exception has been raised.
    4883ec28                 sub rsp,28h
    4c897c2408               mov [rsp+8],r15
    488b4da0                 mov rcx,[rbp-60h]
    48894c2410               mov [rsp+10h],rcx                 WIDTH
    488b0d53080000           mov rcx,[1108h]                   LITTLE
    48894c2418               mov [rsp+18h],rcx
    488b3d3f080000           mov rdi,[1100h]                   TO_BYTES
    488d742408               lea rsi,[rsp+8]
    ba03000000               mov edx,3                         three arguments
    31c9                     xor ecx,ecx
    ff1585070000             call qword ptr [1058h]            PyObject_Vectorcall
    4885c0                   test rax,rax
    7433                     je short 000000000000090Bh        no bytes
    4889442408               mov [rsp+8],rax
    4889c7                   mov rdi,rax
    ff152a080000             call qword ptr [1110h]            PyBytes_AsString
    4889c6                   mov rsi,rax
    488bbd58ffffff           mov rdi,[rbp-0A8h]
    8b8d68ffffff             mov ecx,[rbp-98h]                 BITS
    c1e903                   shr ecx,3
    f3a4                     rep movsb [rdi],[rsi]
    488b7c2408               mov rdi,[rsp+8]
    ff15ba070000             call qword ptr [10C0h]            Py_DecRef
    b801000000               mov eax,1
no bytes:
    4883c428                 add rsp,28h
    c3                       ret
"""
