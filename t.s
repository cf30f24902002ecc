.intel_syntax noprefix
base:
L_entry:
 sub rsp,8
 mov rbx,rdx
 mov r12,rsi
 mov r13d,edi
 lea r15,[rip+base+4112]
 mov rax,[rbx+168]
 sub rax,[rip+base+4192]
 cmp rax,[rip+base+4200]
 jb L_ours
 cmp edi,11
 jne L_pass_on
 test byte ptr [rbx+192],16
 jne L_pass_on
 mov eax,[rsi+8]
 cmp eax,2
 je L_page
 lea r15,[rip+base+4104]
 cmp eax,128
 jne L_pass_on
 cmp qword ptr [rip+base+4208],0
 je L_pass_on
 jmp L_ours
L_page:
 lea r15,[rip+base+4096]
 mov rax,[rsi+16]
 sub rax,[rip+base+4176]
 cmp rax,[rip+base+4184]
 jae L_pass_on
L_ours:
 mov rcx,[rbx+168]
 mov rdx,rcx
 shr rdx,47
 jne L_pass_on
 lock inc qword ptr [rip+base+0x1078]
 cmp qword ptr [rip+base+0x1080],0
 jne L_gate
L_enter:
 call qword ptr [rip+base+4120]
 mov r14d,[rax]
 xor eax,eax
 mov [rbx+232],rax
 mov rcx,[rbx+168]
 mov edx,ecx
 and edx,4095
 cmp edx,4088
 ja L_unread
 mov rax,[rcx]
L_unread:
 mov [rbx+248],rax
 mov rdi,rbx
 mov rsi,r12
 call qword ptr [r15]
 mov r15,[rbx+232]
 cmp r15,1
 jbe L_settle
 call qword ptr [rip+base+4128]
 mov ebp,eax
 mov rdi,[rbx+240]
 mov rsi,r15
 call qword ptr [rip+base+4144]
 mov edi,ebp
 call qword ptr [rip+base+4136]
L_settle:
 lock dec qword ptr [rip+base+0x1078]
 call qword ptr [rip+base+4120]
 mov [rax],r14d
 cmp r15,1
 je L_pass_on
L_done:
 add rsp,8
 ret
L_pass_on:
 lea rbp,[rip+base+4352]
 lea rax,[rip+base+4608]
 cmp r13d,11
 cmove rbp,rax
 mov r15,[rbp]
 cmp r15,1
 jbe L_SIG_DFL_or_SIG_IGN
 mov edi,2
 lea rsi,[rbx+296]
 xor edx,edx
 call qword ptr [rip+base+4160]
 xor edi,edi
 lea rsi,[rbp+8]
 xor edx,edx
 call qword ptr [rip+base+4160]
 mov edi,r13d
 mov rsi,r12
 mov rdx,rbx
 add rsp,8
 jmp r15
L_SIG_DFL_or_SIG_IGN:
 mov r14d,[r12+8]
 test r14d,r14d
 jg L_reinstall
 test r15,r15
 jne L_done
L_reinstall:
 mov edi,r13d
 mov rsi,rbp
 xor edx,edx
 call qword ptr [rip+base+4152]
 test r14d,r14d
 jg L_done
 mov edi,r13d
 call qword ptr [rip+base+4168]
 jmp L_done
L_gate:
 mov rax,fs:[0]
 cmp rax,[rip+base+0x1080]
 jne L_other
 cmp qword ptr [rip+base+0x1088],0
 je L_enter
 lock dec qword ptr [rip+base+0x1078]
 jmp L_pass_on
L_other:
 call [rip+base+0x1090]
 mov ebp,eax
 call L_ending
 jne L_park
 test ebp,ebp
 jne L_enter
 lock dec qword ptr [rip+base+0x1078]
 mov ebp,20
L_wait:
 mov eax,35
 lea rdi,[rip+base+0x10a0]
 xor esi,esi
 syscall
 call L_ending
 jne L_parked
 dec ebp
 jne L_wait
 lock inc qword ptr [rip+base+0x1078]
 jmp L_enter
L_park:
 lock dec qword ptr [rip+base+0x1078]
L_parked:
 mov eax,34
 syscall
 jmp L_parked
L_ending:
 cmp qword ptr [rip+base+0x1088],0
 jne L_ended
 sub rsp,8
 call [rip+base+0x1098]
 add rsp,8
 test eax,eax
L_ended:
 ret
L_gone:
 mov qword ptr [rip+base+0x1088],1
 ret
L_return_address:
 mov rax,[rsp]
 ret
L_cpuid:
 push rbx
 mov r8,rdx
 mov eax,edi
 mov ecx,esi
 cpuid
 mov [r8],eax
 mov [r8+4],ebx
 mov [r8+8],ecx
 mov [r8+12],edx
 pop rbx
 ret
L_control_words:
 stmxcsr [rdi]
 fnstcw [rdi+4]
 ret
