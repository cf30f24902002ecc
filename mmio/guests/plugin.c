/*
 * A TCG plugin for QEMU: before each instruction that may access a device, it notes which one it is, in memory that
 * pagetrap sees.
 *
 * While a device is asked, the virtual CPU waits, and no other runs (-accel tcg,thread=single): what is noted is the
 * instruction that makes the access. QEMU's header is not needed; these are the few functions of it that are used
 * (include/plugins/qemu-plugin.h). Arguments: shm=FILE.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef API
#define API 7
#endif
#define PUBLIC __attribute__((visibility("default")))
#define LONGEST 15
#define READS_REGISTERS 1 /* QEMU_PLUGIN_CB_R_REGS */
#define STACK 512
#define RANGES 64

/* GLib's GArray and GByteArray. QEMU has GLib in its process. */
struct array {
	void *data;
	unsigned length;
};
extern struct array *g_byte_array_new(void);
extern struct array *g_byte_array_set_size(struct array *, unsigned);
extern unsigned g_array_get_element_size(struct array *);

/* A qemu_plugin_reg_descriptor begins so; newer ones have more. */
struct description {
	void *handle;
	const char *name;
};

struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
extern struct array *qemu_plugin_get_registers(void);
extern int qemu_plugin_read_register(void *, struct array *);
extern _Bool qemu_plugin_read_memory_vaddr(uint64_t, struct array *, size_t);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t, void (*)(void *, void *), void *);

PUBLIC int qemu_plugin_version = API;

struct instruction {
	uint64_t ip;
	uint32_t length;
	uint8_t code[LONGEST + 1];
};

/* The shared page: what runs, and on which virtual CPU; `ranges` is written by pagetrap. */
static struct {
	struct instruction instruction;
	uint32_t cpu;
	uint32_t depth; /* bytes of `stack`, 0 where it is not known */
	uint64_t rsp, rbp;
	uint8_t stack[STACK];
	uint64_t count;
	struct {
		uint64_t start, end;
	} ranges[RANGES]; /* the code for which the stack is wanted: functions of the kernel such as ioread32 */
} *now;

static void executes(unsigned cpu, void *instruction)
{
	now->instruction = *(struct instruction *)instruction;
	now->cpu = cpu;
	now->depth = 0;
}

static struct array *buffer;

static int read_register(void *handle, uint64_t *value)
{
	g_byte_array_set_size(buffer, 0);
	qemu_plugin_read_register(handle, buffer);
	if (buffer->length != sizeof *value)
		return 0;
	memcpy(value, buffer->data, sizeof *value);
	return 1;
}

/* One virtual CPU runs at a time, so these need no lock. */
static void executes_for_a_driver(unsigned cpu, void *instruction)
{
	static void *rsp, *rbp;

	executes(cpu, instruction);
	if (!buffer) {
		struct array *found = qemu_plugin_get_registers();
		buffer = g_byte_array_new();
		for (unsigned i = 0; found && i < found->length; i++) {
			struct description *one =
				(struct description *)((char *)found->data + i * g_array_get_element_size(found));
			if (!strcmp(one->name, "rsp"))
				rsp = one->handle;
			if (!strcmp(one->name, "rbp"))
				rbp = one->handle;
		}
	}
	if (!rsp || !rbp || !read_register(rsp, &now->rsp) || !read_register(rbp, &now->rbp))
		return;
	for (unsigned depth = STACK; depth >= 8; depth /= 2) /* the stack may begin sooner than that */
		if (qemu_plugin_read_memory_vaddr(now->rsp, buffer, depth) && buffer->length >= depth) {
			memcpy(now->stack, buffer->data, depth);
			now->depth = depth;
			return;
		}
}

static int is_for_a_driver(uint64_t ip)
{
	for (uint64_t i = 0; i < now->count && i < RANGES; i++)
		if (now->ranges[i].start <= ip && ip < now->ranges[i].end)
			return 1;
	return 0;
}

/* Whether the ModRM byte at `at` names memory, other than the stack's. */
static int names_memory(const uint8_t *code, size_t at, size_t length)
{
	if (at >= length)
		return 1;
	if (code[at] >> 6 == 3)
		return 0;
	return !((code[at] & 7) == 4 && at + 1 < length && (code[at + 1] & 0x3f) == 0x24);
}

/*
 * Whether a 64-bit instruction may access a device. Only those that cannot are left out: jumps and calls, the stack,
 * operands in registers, data of the CPU (GS). What is not known may.
 */
static int may_access(const uint8_t *code, size_t length)
{
	size_t at = 0;
	int of_the_cpu = 0;

	for (; at < length; at++) {
		uint8_t prefix = code[at];
		if (prefix == 0x65)
			of_the_cpu = 1;
		else if (prefix != 0x66 && prefix != 0xf2 && prefix != 0xf3 && prefix != 0x2e && prefix != 0x3e && prefix != 0xf0)
			break;
	}
	if (at < length && (code[at] & 0xf0) == 0x40)
		at++;
	if (at >= length)
		return 1;
	uint8_t opcode = code[at++];
	if (opcode == 0x0f) {
		if (at >= length)
			return 1;
		opcode = code[at++];
		if ((opcode & 0xf0) == 0x80 || opcode == 0x05 || opcode == 0x1f || opcode == 0x0b)
			return 0;
		if ((opcode & 0xf0) == 0x40 || (opcode & 0xf0) == 0x90 || opcode == 0xaf || (opcode & 0xf6) == 0xb6 ||
		    opcode == 0xa3 || opcode == 0xab || opcode == 0xb3 || opcode == 0xbb || opcode == 0xba)
			return names_memory(code, at, length) && !of_the_cpu;
		return 1;
	}
	if (opcode < 0x40)
		return (opcode & 7) < 4 ? names_memory(code, at, length) && !of_the_cpu : (opcode & 7) > 5;
	if ((opcode & 0xf0) == 0x50 || (opcode & 0xf0) == 0x70 || (opcode & 0xf0) == 0xb0 || (opcode & 0xf8) == 0x90 ||
	    opcode == 0x8d || opcode == 0x98 || opcode == 0x99 || opcode == 0xa8 || opcode == 0xa9 || opcode == 0xc2 ||
	    opcode == 0xc3 || opcode == 0xc9 || opcode == 0xcc || opcode == 0xe8 || opcode == 0xe9 || opcode == 0xeb ||
	    opcode == 0x68 || opcode == 0x6a || opcode == 0xf4 || opcode == 0xfa || opcode == 0xfb)
		return 0;
	if ((opcode >= 0x80 && opcode <= 0x8b) || opcode == 0x63 || opcode == 0x69 || opcode == 0x6b || opcode == 0xc0 ||
	    opcode == 0xc1 || opcode == 0xc6 || opcode == 0xc7 || (opcode >= 0xd0 && opcode <= 0xd3) || opcode == 0xf6 ||
	    opcode == 0xf7 || opcode == 0xfe || opcode == 0xff)
		return names_memory(code, at, length) && !of_the_cpu;
	return 1;
}

/* Older QEMUs call this with the plugin's number and the block, newer ones with the block and the pointer given. */
static void translated(void *first, void *second)
{
	struct qemu_plugin_tb *block = second == (void *)&now ? first : second;
	size_t count = qemu_plugin_tb_n_insns(block);

	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
		struct instruction found = { qemu_plugin_insn_vaddr(insn), qemu_plugin_insn_size(insn), { 0 } };
		qemu_plugin_insn_data(insn, found.code, LONGEST);
		if (found.ip >> 32 == 0)
			found.length = 0; /* firmware, or a program of 32 bits: the bytes mean something else there */
		else if (found.length > LONGEST || !may_access(found.code, found.length))
			continue;
		struct instruction *kept = malloc(sizeof *kept); /* for as long as the block, which never says its end */
		if (!kept)
			abort();
		*kept = found;
		if (is_for_a_driver(found.ip))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, executes_for_a_driver, READS_REGISTERS, kept);
		else
			qemu_plugin_register_vcpu_insn_exec_cb(insn, executes, 0, kept);
	}
}

PUBLIC int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	const char *path = 0;

	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "shm=", 4))
			path = argv[i] + 4;
	if (!path)
		return -1;
	int file = open(path, O_RDWR);
	if (file < 0)
		return -1;
	now = mmap(0, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (now == MAP_FAILED)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated, &now);
	return 0;
}
