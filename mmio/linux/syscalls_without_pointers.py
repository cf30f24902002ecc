"""System calls without pointers: name, number in the 64-bit table, number in the 32-bit table.

From asm/unistd_64.h and asm/unistd_32.h, "-" for none. Some are in no kernel of today (unimplemented(2)).
"""

from typing import Final

WITHOUT_POINTERS: Final = """
_sysctl 156 149; afs_syscall 183 137; alarm 37 27; bdflush - 134; break - 17; close 3 6; close_range 436 436;
create_module 174 127; dup 32 41; dup2 33 63; dup3 292 330; epoll_create 213 254; epoll_create1 291 329; epoll_ctl_old
214 -; epoll_wait_old 215 -; eventfd 284 323; eventfd2 290 328; exit 60 1; exit_group 231 252; fadvise64 221 250;
fadvise64_64 - 272; fallocate 285 324; fanotify_init 300 338; fchdir 81 133; fchmod 91 94; fchown 93 95; fchown32 -
207; fdatasync 75 148; flock 73 143; fork 57 2; fsmount 432 432; fsync 74 118; ftime - 35; ftruncate 77 93;
ftruncate64 - 194; get_kernel_syms 177 130; getegid 108 50; getegid32 - 202; geteuid 107 49; geteuid32 - 201; getgid
104 47; getgid32 - 200; getpgid 121 132; getpgrp 111 65; getpid 39 20; getpmsg 181 188; getppid 110 64; getpriority
140 96; getsid 124 147; gettid 186 224; getuid 102 24; getuid32 - 199; gtty - 32; idle - 112; inotify_init 253 291;
inotify_init1 294 332; inotify_rm_watch 255 293; io_destroy 207 246; ioperm 173 101; iopl 172 110; ioprio_get 252 290;
ioprio_set 251 289; kill 62 37; landlock_restrict_self 446 446; listen 50 363; lock - 53; lseek 8 19; map_shadow_stack
453 453; membarrier 324 375; memfd_secret 447 447; mlockall 151 152; mpx - 56; msgget 68 399; munlockall 152 153;
nfsservctl 180 169; nice - 34; pause 34 29; personality 135 136; pidfd_getfd 438 438; pidfd_open 434 434; pkey_alloc
330 381; pkey_free 331 382; process_mrelease 448 448; prof - 44; profil - 98; putpmsg 182 189; query_module 178 167;
readahead 187 225; restart_syscall 219 0; rt_sigreturn 15 173; sched_get_priority_max 146 159; sched_get_priority_min
147 160; sched_getscheduler 145 157; sched_yield 24 158; security 185 -; semget 64 393; setfsgid 123 139; setfsgid32 -
216; setfsuid 122 138; setfsuid32 - 215; setgid 106 46; setgid32 - 214; setns 308 346; setpgid 109 57; setpriority 141
97; setregid 114 71; setregid32 - 204; setresgid 119 170; setresgid32 - 210; setresuid 117 164; setresuid32 - 208;
setreuid 113 70; setreuid32 - 203; setsid 112 66; setuid 105 23; setuid32 - 213; sgetmask - 68; shmget 29 395;
shutdown 48 373; signal - 48; sigreturn - 119; sigsuspend - 72; socket 41 359; ssetmask - 69; stty - 31; sync 162 36;
sync_file_range 277 314; syncfs 306 344; tee 276 315; tgkill 234 270; timer_delete 226 263; timer_getoverrun 225 262;
timerfd_create 283 322; tkill 200 238; tuxcall 184 -; ulimit - 58; umask 95 60; unshare 272 310; userfaultfd 323 374;
vfork 58 190; vhangup 153 111; vserver 236 273
"""
