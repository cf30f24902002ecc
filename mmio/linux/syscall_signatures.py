"""Signatures of every system call of x86: its numbers, and the memory that its arguments point to.

A line is a call: its name, its number in the 64-bit and in the 32-bit table (asm/unistd_64.h, asm/unistd_32.h; "-" for
none), and its arguments as `syscall_notation.py` has them; those left out are no pointers. Written after section 2 of
the manual pages and include/linux/syscalls.h of the kernel. A test compares names and numbers with the headers, and
the sizes of structures.
"""

from typing import Final

SIGNATURES: Final = """
# files and directories
read 0 3 _ >[2]#
write 1 4 _ <[2]
open 2 5 <path
stat 4 106 <path >stat
fstat 5 108 _ >stat
lstat 6 107 <path >stat
poll 7 168 =pollfd[1]
ioctl 16 54 _ _ ?ioctl
pread64 17 180 _ >[2]#
pwrite64 18 181 _ <[2]
readv 19 145 _ >iov[2]
writev 20 146 _ <iov[2]
access 21 33 <path
pipe 22 42 >8
select 23 - _ =fds[0] =fds[0] =fds[0] =timeval
select - 82 ?old_select
sendfile 40 187 _ _ =off
fcntl 72 55 ?variant
truncate 76 92 <path
getdents 78 141 _ >[2]#
getcwd 79 183 >[1]#
chdir 80 12 <path
rename 82 38 <path <path
mkdir 83 39 <path
rmdir 84 40 <path
creat 85 8 <path
link 86 9 <path <path
unlink 87 10 <path
symlink 88 83 <path <path
readlink 89 85 <path >[2]#
chmod 90 15 <path
chown 92 182 <path
lchown 94 16 <path
utime 132 30 <path <utimbuf
mknod 133 14 <path
uselib 134 86 <path
ustat 136 62 _ >ustat
statfs 137 99 <path >statfs
fstatfs 138 100 _ >statfs
sysfs 139 135 ?variant
pivot_root 155 217 <path <path
chroot 161 61 <path
acct 163 51 <path
mount 165 21 <str <path <str _ <page
umount2 166 52 <path
swapon 167 87 <path
swapoff 168 115 <path
quotactl 179 131 ?variant
setxattr 188 226 <path <str <[3]
lsetxattr 189 227 <path <str <[3]
fsetxattr 190 228 _ <str <[3]
getxattr 191 229 <path <str >[3]#
lgetxattr 192 230 <path <str >[3]#
fgetxattr 193 231 _ <str >[3]#
listxattr 194 232 <path >[2]#
llistxattr 195 233 <path >[2]#
flistxattr 196 234 _ >[2]#
removexattr 197 235 <path <str
lremovexattr 198 236 <path <str
fremovexattr 199 237 _ <str
lookup_dcookie 212 - _ >[2]#
lookup_dcookie - 253 _ _ >[3]#
epoll_ctl 233 255 _ _ _ <epoll_event
epoll_wait 232 256 _ >epoll_event[2]#
epoll_pwait 281 319 _ >epoll_event[2]# _ _ <[5]
epoll_pwait2 441 441 _ >epoll_event[2]# _ <timespec64 <[5]
getdents64 217 220 _ >[2]#
utimes 235 271 <path <timeval*2
inotify_add_watch 254 292 _ <path
openat 257 295 _ <path
openat2 437 437 _ <path <[3]
mkdirat 258 296 _ <path
mknodat 259 297 _ <path
fchownat 260 298 _ <path
futimesat 261 299 _ <path <timeval*2
newfstatat 262 - _ <path >stat
unlinkat 263 301 _ <path
renameat 264 302 _ <path _ <path
renameat2 316 353 _ <path _ <path
linkat 265 303 _ <path _ <path
symlinkat 266 304 <path _ <path
readlinkat 267 305 _ <path >[3]#
fchmodat 268 306 _ <path
faccessat 269 307 _ <path
faccessat2 439 439 _ <path
pselect6 270 308 _ =fds[0] =fds[0] =fds[0] =timespec ?masked
ppoll 271 309 =pollfd[1] _ =timespec <[4]
splice 275 313 _ =8 _ =8
vmsplice 278 316 _ !pages
utimensat 280 320 _ <path <timespec*2
signalfd 282 321 _ <[2]
signalfd4 289 327 _ <[2]
pipe2 293 331 >8
preadv 295 333 _ >iov[2]
pwritev 296 334 _ <iov[2]
preadv2 327 378 _ >iov[2]
pwritev2 328 379 _ <iov[2]
fanotify_mark 301 - _ _ _ _ <path
fanotify_mark - 339 _ _ _ _ _ <path
name_to_handle_at 303 341 _ <path ?handle >4
open_by_handle_at 304 342 _ ?handle
copy_file_range 326 377 _ =8 _ =8
statx 332 383 _ <path _ _ >statx
open_tree 428 428 _ <path
move_mount 429 429 _ <path _ <path
fsopen 430 430 <str
fsconfig 431 431 ?variant
fspick 433 433 _ <path
mount_setattr 442 442 _ <path _ <[4]
quotactl_fd 443 443 ?variant
landlock_create_ruleset 444 444 <[1]
landlock_add_rule 445 445 ?variant
memfd_create 319 356 <str
# sockets
connect 42 362 _ <[2]
accept 43 - _ >@2 =int
accept4 288 364 _ >@2 =int
sendto 44 369 _ <[2] _ _ <[5]
recvfrom 45 371 _ >[2]# _ _ >@5 =int
sendmsg 46 370 _ <msg
recvmsg 47 372 _ >msg
sendmmsg 307 345 _ <mmsg[2]
recvmmsg 299 337 _ >mmsg[2] _ _ =timespec
bind 49 361 _ <[2]
getsockname 51 367 _ >@2 =int
getpeername 52 368 _ >@2 =int
socketpair 53 360 _ _ _ >8
setsockopt 54 366 _ _ _ ?setsockopt
getsockopt 55 365 _ _ _ ?getsockopt =int
# memory
mmap - 90 <24
mmap 9 - &
mprotect 10 125 &
munmap 11 91 &
brk 12 45 &
mremap 25 163 & _ _ _ &
msync 26 144 &
mincore 27 218 & _ ?mincore
madvise 28 219 &
shmat 30 397 _ &
shmdt 67 398 &
mlock 149 150 &
munlock 150 151 &
mlock2 325 376 &
remap_file_pages 216 257 &
mbind 237 274 & _ _ <nodes[4]
set_mempolicy 238 276 _ <nodes[2]
get_mempolicy 239 275 >int >nodes[2]~ _ &
migrate_pages 256 294 _ _ <nodes[1] <nodes[1]
move_pages 279 317 _ _ <word[1] <int[1] >int[1]
pkey_mprotect 329 380 &
process_vm_readv 310 347 _ >iov[2] _ ?remote_read
process_vm_writev 311 348 _ <iov[2] _ ?remote_write
process_madvise 440 440 _ <iovec[2]
set_mempolicy_home_node 450 450 &
kcmp 312 349 ?variant
# System V and POSIX IPC, keys
shmctl 31 396 ?variant
semop 65 - _ <sembuf[2]
semtimedop 220 - _ <sembuf[2] _ <timespec
semctl 66 394 ?variant
msgsnd 69 400 _ <word+[2]
msgrcv 70 401 _ >word+[2]~
msgctl 71 402 ?variant
mq_open 240 277 <str _ _ <mq_attr
mq_unlink 241 278 <str
mq_timedsend 242 279 _ <[2] _ _ <timespec
mq_timedreceive 243 280 _ >[2]# _ >int <timespec
mq_notify 244 281 _ <sigevent
mq_getsetattr 245 282 _ <mq_attr >mq_attr
add_key 248 286 <str <str <[3]
request_key 249 287 <str <str <str
keyctl 250 288 ?variant
# processes and signals
rt_sigaction 13 174 _ <sigaction >sigaction
rt_sigprocmask 14 175 _ <[3] >[3]
rt_sigpending 127 176 >[1]
rt_sigtimedwait 128 177 <[3] >siginfo~ <timespec
rt_sigqueueinfo 129 178 _ _ <siginfo
rt_tgsigqueueinfo 297 335 _ _ _ <siginfo
rt_sigsuspend 130 179 <[1]
sigaltstack 131 186 <stack >stack
pidfd_send_signal 424 424 _ _ <siginfo
clone 56 - _ & >int~ !tid &
clone - 120 _ & >int~ & !tid
clone3 435 435 !clone
execve 59 11 <path <argv <argv
execveat 322 358 _ <path <argv <argv
wait4 61 114 _ >int~ _ >rusage~
waitid 247 284 _ _ >waitinfo~ _ >rusage~
ptrace 101 26 ?variant
prctl 157 172 ?variant
arch_prctl 158 384 ?variant
modify_ldt 154 123 ?variant
set_thread_area 205 243 =user_desc
get_thread_area 211 244 =user_desc
set_tid_address 218 258 !tid
set_robust_list 273 311 !robust
get_robust_list 274 312 _ >word >word
rseq 334 386 !rseq
futex 202 240 !futex _ _ !futex !futex
futex_waitv 449 449 !futex _ _ <timespec64
seccomp 317 354 ?variant
capget 125 184 =cap_header ?capabilities_out
capset 126 185 =cap_header ?capabilities_in
getgroups 115 - _ >int[0]#
getgroups - 80 _ >short[0]#
setgroups 116 - _ <int[0]
setgroups - 81 _ <short[0]
getresuid 118 - >int >int >int
getresgid 120 - >int >int >int
getresuid - 165 >short >short >short
getresgid - 171 >short >short >short
getrlimit 97 76 _ >rlimit
setrlimit 160 75 _ <rlimit
prlimit64 302 340 _ _ <16 >16
getrusage 98 77 _ >rusage
sched_setparam 142 154 _ <int
sched_getparam 143 155 _ >int
sched_setscheduler 144 156 _ _ <int
sched_rr_get_interval 148 161 _ >timespec
sched_setaffinity 203 241 _ _ <[1]
sched_getaffinity 204 242 _ _ >[1]#
sched_setattr 314 351 _ ?sized
sched_getattr 315 352 _ >[2]
getcpu 309 318 >int >int
# time
nanosleep 35 162 <timespec >timespec~
getitimer 36 105 _ >itimerval
setitimer 38 104 _ <itimerval >itimerval
gettimeofday 96 78 >timeval >8
settimeofday 164 79 <timeval <8
adjtimex 159 124 =timex
clock_adjtime 305 343 _ =timex
times 100 43 >tms
time 201 13 >word
timer_create 222 259 _ <sigevent >int
timer_settime 223 260 _ _ <itimerspec >itimerspec
timer_gettime 224 261 _ >itimerspec
clock_settime 227 264 _ <timespec
clock_gettime 228 265 _ >timespec
clock_getres 229 266 _ >timespec
clock_nanosleep 230 267 _ _ <timespec >timespec~
timerfd_settime 286 325 _ _ <itimerspec >itimerspec
timerfd_gettime 287 326 _ >itimerspec
# the system
uname 63 122 >utsname
sysinfo 99 116 >sysinfo
syslog 103 103 ?variant
reboot 169 88 ?variant
sethostname 170 74 <[1]
setdomainname 171 121 <[1]
init_module 175 128 <[1] _ <str
finit_module 313 350 _ <str
delete_module 176 129 <str
kexec_load 246 283 _ _ !segments
kexec_file_load 320 - _ _ _ <[2]
getrandom 318 355 >[1]#
perf_event_open 298 336 ?sized
bpf 321 357 _ !attributes
io_setup 206 245 _ =word
io_submit 209 248 _ _ !buffers
io_cancel 210 249 _ !buffers >io_event
io_getevents 208 247 _ _ _ >io_event[2]# <timespec
io_pgetevents 333 385 _ _ _ >io_event[2]# <timespec ?masked
io_uring_setup 425 425 _ =io_uring_params
io_uring_enter 426 426 _ _ _ _ <[5]
io_uring_register 427 427 _ _ !buffers
# 32-bit tables only
mmap2 - 192 &
oldstat - 18 <path >old_stat
oldfstat - 28 _ >old_stat
oldlstat - 84 <path >old_stat
stat64 - 195 <path >stat64
lstat64 - 196 <path >stat64
fstat64 - 197 _ >stat64
fstatat64 - 300 _ <path >stat64
statfs64 - 268 <path _ >statfs64
fstatfs64 - 269 _ _ >statfs64
chown32 - 212 <path
lchown32 - 198 <path
truncate64 - 193 <path
umount - 22 <path
waitpid - 7 _ >int~
sendfile64 - 239 _ _ =8
readdir - 89 _ >old_dirent~
fcntl64 - 221 ?variant
_llseek - 140 _ _ _ >8
_newselect - 142 _ =fds[0] =fds[0] =fds[0] =timeval
olduname - 109 >old_utsname
oldolduname - 59 >oldest_utsname
ugetrlimit - 191 _ >rlimit
getgroups32 - 205 _ >int[0]#
setgroups32 - 206 _ <int[0]
getresuid32 - 209 >int >int >int
getresgid32 - 211 >int >int >int
stime - 25 <word
sigaction - 67 _ <old_sigaction >old_sigaction
sigpending - 73 >word
sigprocmask - 126 _ <word >word
ipc - 117 ?variant
socketcall - 102 _ ?socketcall
vm86old - 113 !vm86
vm86 - 166 _ !vm86
clock_gettime64 - 403 _ >timespec64
clock_settime64 - 404 _ <timespec64
clock_adjtime64 - 405 _ =timex64
clock_getres_time64 - 406 _ >timespec64
clock_nanosleep_time64 - 407 _ _ <timespec64 >timespec64~
timer_gettime64 - 408 _ >itimerspec64
timer_settime64 - 409 _ _ <itimerspec64 >itimerspec64
timerfd_gettime64 - 410 _ >itimerspec64
timerfd_settime64 - 411 _ _ <itimerspec64 >itimerspec64
utimensat_time64 - 412 _ <path <timespec64*2
pselect6_time64 - 413 _ =fds[0] =fds[0] =fds[0] =timespec64 ?masked
ppoll_time64 - 414 =pollfd[1] _ =timespec64 <[4]
io_pgetevents_time64 - 416 _ _ _ >io_event[2]# <timespec64 ?masked
recvmmsg_time64 - 417 _ >mmsg[2] _ _ =timespec64
mq_timedsend_time64 - 418 _ <[2] _ _ <timespec64
mq_timedreceive_time64 - 419 _ >[2]# _ >int <timespec64
semtimedop_time64 - 420 _ <sembuf[2] _ <timespec64
rt_sigtimedwait_time64 - 421 <[3] >siginfo~ <timespec64
futex_time64 - 422 !futex _ _ !futex !futex
sched_rr_get_interval_time64 - 423 _ >timespec64
# newer than Linux 6.1
cachestat 451 451 _ <16 >40
fchmodat2 452 452 _ <path
futex_wake 454 454 !futex
futex_wait 455 455 !futex _ _ _ <timespec64
futex_requeue 456 456 !futex
mseal 462 462 &
"""
