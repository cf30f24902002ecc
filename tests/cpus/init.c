/* The first process of a guest: load the modules, mount the host's file system under a tmpfs, run the script there.

   Built statically into the initramfs, which has nothing else but the kernel modules, in the order of /modules. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHARE "trans=virtio,version=9p2000.L,msize=1048576"

static void end(void) {
    sync();
    reboot(RB_POWER_OFF);
}

static void check(long result, const char *what) {
    if (result >= 0) return;
    printf("init: %s: %s\n", what, strerror(errno));
    end();
}

static void attach(const char *source, const char *where, const char *kind, unsigned long flags, const char *options) {
    mkdir(where, 0755);
    check(mount(source, where, kind, flags, options), where);
}

static void load_modules(void) {
    char name[256];
    FILE *names = fopen("/modules", "r");
    check(names ? 0 : -1, "/modules");
    while (fscanf(names, "%255s", name) == 1) {
        int module = open(name, O_RDONLY | O_CLOEXEC);
        check(module, name);
        check(syscall(SYS_finit_module, module, "", 0), name);
        close(module);
    }
}

int main(void) {
    attach("dev", "/dev", "devtmpfs", 0, "");
    int console = open("/dev/console", O_RDWR);
    for (int number = 0; number < 3; number++) dup2(console, number);
    load_modules();
    attach("root", "/lower", "9p", MS_RDONLY, SHARE ",cache=loose");
    attach("upper", "/upper", "tmpfs", 0, "");
    mkdir("/upper/work", 0755);
    mkdir("/upper/data", 0755);
    attach("root", "/root", "overlay", 0, "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work");
    attach("dev", "/root/dev", "devtmpfs", 0, "");
    attach("pts", "/root/dev/pts", "devpts", 0, "");
    attach("shm", "/root/dev/shm", "tmpfs", 0, "");
    attach("proc", "/root/proc", "proc", 0, "");
    check(symlink("/proc/self/fd", "/root/dev/fd"), "/dev/fd");
    attach("sys", "/root/sys", "sysfs", 0, "");
    attach("tmp", "/root/tmp", "tmpfs", 0, "");
    attach("results", "/root/mnt", "9p", 0, SHARE);
    check(chdir("/root"), "/root");
    check(chroot("."), "chroot");
    pid_t child = fork();
    check(child, "fork");
    if (child == 0) {
        setsid();
        execl("/bin/sh", "sh", "/mnt/script", (char *)NULL);
        check(-1, "/bin/sh");
    }
    while (wait(NULL) != child) {}
    end();
}
