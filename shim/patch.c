/* SPDX-License-Identifier: MIT
 * libclosenotify-patch.so, the optional companion for a program that has OpenSSL inside and exports it (official node): at start,
 * before any other thread, it puts a jump to the hook at the entry of each function of hooks.def. Invariants: all of them or none;
 * nothing is written before all has been planned, and before a page of its own has proved that code may be changed; code
 * stays executable all the time.
 *
 * What the jump takes the place of is moved: a moved copy, with a jump behind it to the rest, stands for the real function. The
 * library learns of that by closenotify_real() alone. */
#include "object.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void *closenotify_real(void *entry);

static bool say(const char *path, const char *why)
{
	const char *const parts[] = {"closenotify: --patch: ", path, " is left as it is: ", why, "\n"};
	char line[512];
	size_t length = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		for (const char *c = parts[i]; *c && length < sizeof(line); c++)
			line[length++] = *c;
	}
	for (size_t i = 0; i + 1 < length; i++) {
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	}
	return write(STDERR_FILENO, line, length) < 0;
}

/* The program; the dynamic loader lists it first. */
static bool is_program(const struct cn_object *object, void *program)
{
	*(struct cn_object *)program = *object;
	return true;
}

static bool defines_openssl(const struct cn_object *object)
{
	return cn_object_symbol(object, "SSL_free") && cn_object_symbol(object, "SSL_read");
}

#if defined(__x86_64__) && defined(__LP64__)

#include "decode.h"
#include "openssl.h"

#include <asm/prctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define JUMP          5 /* bytes of the one that is put at an entry */
#define MOVED_MOST    (JUMP - 1 + CN_INSN_MOST)
#define NEAR_MOST     0x70000000 /* a displacement has 31 bits */
#define FUNCTION_MOST 65536

/* A library behind the program, and not closenotify's: then what the program defines may be shells around that one. */
static bool is_another(const struct cn_object *object, void *program)
{
	return object->dynamic != ((const struct cn_object *)program)->dynamic && defines_openssl(object) &&
	       !cn_object_symbol(object, "close");
}

static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

static struct function {
	const char *name;
	unsigned char *entry, *start; /* start: behind an endbr64 */
	size_t size;                  /* of the function, from entry */
	size_t moved;                 /* bytes, from start */
	void *hook, *real;
} functions[] = {
#define HOOKS_OF                               HOME_OPENSSL
#define HOOK(ret, name, params, home, purpose) {#name, NULL, NULL, 0, 0, NULL, NULL},
#include "hooks.def"
#undef HOOK
};

#define COUNT (sizeof(functions) / sizeof(*functions))

/* For each of them: a jump to its hook and what was moved, which a short branch that becomes a long one makes longer. */
#define HOOK_ROOM  16
#define MOVED_ROOM 64
static struct room {
	unsigned char to_hook[HOOK_ROOM], moved[MOVED_ROOM];
} * rooms;

EXPORT void *closenotify_real(void *entry)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (functions[i].entry && functions[i].entry == entry && functions[i].real)
			return functions[i].real;
	}
	return entry;
}

/* --- the plan --- */

/* Nothing but padding up to the next 16 bytes after `end`, so no function begins before. */
static bool is_padded(const unsigned char *at, const unsigned char *end)
{
	unsigned int length = 1;

	for (; length && (at < end || (uintptr_t)at % 16); at += length)
		length = cn_padding(at);
	return length;
}

static const char *plan_one(struct function *f)
{
	struct cn_insn insn = {.length = 0};

	f->start = f->entry;
	if (f->size >= sizeof(endbr64) && memcmp(f->entry, endbr64, sizeof(endbr64)) == 0)
		f->start += sizeof(endbr64);
	for (f->moved = 0; f->moved < JUMP; f->moved += insn.length) {
		if (insn.length && (insn.kind == CN_JUMP || insn.kind == CN_RETURN))
			return is_padded(f->start + f->moved, f->start + JUMP)
				       ? NULL
				       : "a function that is too short";
		if (!cn_decode(f->start + f->moved, &insn) || insn.kind == CN_CALL)
			return "an instruction that is not known for certain";
		if (f->start + f->moved + insn.length > f->entry + f->size)
			return "a function that is too short";
	}
	return NULL;
}

static bool lies_in(const unsigned char *at, const unsigned char *from, const unsigned char *to)
{
	return at >= from && at < to;
}

/* A branch that stands at `from` and goes to `to`: into bytes that are moved, or from within a function to its own entry, where its
 * registers need not be what a caller gives. Whether the bytes at `from` are a branch at all nobody knows. */
static bool disturbs(const struct function *f, const unsigned char *from, const unsigned char *to, bool calls)
{
	const unsigned char *end = f->start + (f->moved > JUMP ? f->moved : JUMP);

	return lies_in(to, f->start + 1, end) ||
	       (!calls && lies_in(from, f->entry, f->entry + f->size) && lies_in(to, f->entry, end));
}

static bool disturbs_any(const unsigned char *from, const unsigned char *to, bool calls)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (functions[i].entry && disturbs(&functions[i], from, to, calls))
			return true;
	}
	return false;
}

/* Whether an instruction begins at `at`, decoded one by one from where the function begins. What stops that is unknown. */
static bool may_begin(const struct function *f, const unsigned char *at)
{
	const unsigned char *p = f->start;
	struct cn_insn insn;

	for (; p < at; p += insn.length) {
		if (!cn_decode(p, &insn))
			return true;
	}
	return p == at;
}

/* What compilers make of a function in pieces lies in sections of their own, so a short branch comes from within; and they make no
 * LOOP and no JRCXZ. */
static const char *seek_short_branches(const struct function *f)
{
	for (const unsigned char *p = f->start; p + 2 <= f->entry + f->size; p++) {
		if (((*p & 0xf0) == 0x70 || *p == 0xeb) && disturbs(f, p, p + 2 + (signed char)p[1], false) &&
		    may_begin(f, p))
			return "a branch into the bytes to be moved";
	}
	return NULL;
}

/* Part of a segment of a program that is not position-independent. */
static bool is_of_file(const void *at, size_t length)
{
	const ElfW(Phdr) *segments = (const void *)getauxval(AT_PHDR);
	size_t count = getauxval(AT_PHNUM);

	for (size_t i = 0; segments && i < count; i++) {
		if (segments[i].p_type == PT_LOAD && segments[i].p_flags & PF_R &&
		    segments[i].p_filesz >= length &&
		    (uintptr_t)at - segments[i].p_vaddr <= segments[i].p_filesz - length)
			return true;
	}
	return false;
}

/* A switch in a program that is not position-independent: jmp *table(,index,8). Its addresses end where one is not of the
 * function. */
static bool table_disturbs(const struct function *f, const unsigned char *jump)
{
	const unsigned char *const *table;
	int32_t place;

	memcpy(&place, jump + 3, sizeof(place));
	table = (const void *)(intptr_t)place;
	for (; is_of_file(table, sizeof(*table)) && lies_in(*table, f->entry, f->entry + f->size); table++) {
		if (disturbs(f, jump, *table, false))
			return true;
	}
	return false;
}

/* Other jumps that the scan does not see: by a register to which something was added, the switch of position-independent code.
 * One that has just been loaded, or behind what undoes the stack, is a call at the end. */
static const char *seek_tables(const struct function *f, bool fixed)
{
	const unsigned char *from = f->start + f->moved;

	for (const unsigned char *p = from; p + 2 <= f->entry + f->size; p++) {
		bool by_register = p[0] == 0xff && (p[1] & 0xf8) == 0xe0;
		bool tracked = by_register && p[-1] != 0x3e; /* not notrack */
		bool added =
			by_register && p - 3 >= from && ((p[-2] & 0xfd) == 0x01) && (p[-3] & 0xf0) == 0x40;

		if (by_register && (!tracked || added))
			return "a jump by a table";
		if (p[0] == 0xff && (p[1] == 0x64 || p[1] == 0xa4))
			return "a jump by a table";
		if (p[0] == 0xff && p[1] == 0x24 &&
		    (!fixed || p + 7 > f->entry + f->size || (p[2] & 0xc7) != 0xc5 || table_disturbs(f, p)))
			return "a jump by a table";
	}
	return NULL;
}

static const char *seek_long_branches(const unsigned char *first, const unsigned char *last)
{
	uintptr_t low = UINTPTR_MAX, high = 0;

	for (size_t i = 0; i < COUNT; i++) {
		uintptr_t entry = (uintptr_t)functions[i].entry;

		low = entry && entry < low ? entry : low;
		high = entry > high ? entry : high;
	}
	high += sizeof(endbr64) + MOVED_MOST;
	for (const unsigned char *p = first; p + 6 <= last; p++) {
		unsigned int opcode = p[0] == 0x0f && (p[1] & 0xf0) == 0x80 ? 2 : (p[0] & 0xfe) == 0xe8;
		const unsigned char *to;
		int32_t distance;

		if (!opcode)
			continue;
		memcpy(&distance, p + opcode, sizeof(distance));
		to = p + opcode + sizeof(distance) + distance;
		if ((uintptr_t)to - low <= high - low && disturbs_any(p, to, p[0] == 0xe8))
			return "a branch into the bytes to be moved";
	}
	return NULL;
}

/* The segment that holds all of the entries. */
static bool code_of(const struct cn_object *program, const unsigned char **first, const unsigned char **last)
{
	const ElfW(Phdr) *segments = (const void *)getauxval(AT_PHDR);
	size_t count = getauxval(AT_PHNUM);

	for (size_t i = 0; segments && i < count; i++) {
		const unsigned char *start = (const unsigned char *)(program->base + segments[i].p_vaddr);
		bool all = segments[i].p_type == PT_LOAD && segments[i].p_flags == (PF_R | PF_X);

		for (size_t n = 0; all && n < COUNT; n++)
			all = !functions[n].entry ||
			      lies_in(functions[n].entry, start, start + segments[i].p_filesz - MOVED_MOST);
		if (!all)
			continue;
		*first = start;
		*last = start + segments[i].p_filesz;
		return true;
	}
	return false;
}

static const char *plan(const struct cn_object *program)
{
	const unsigned char *first, *last;
	const char *why = NULL;

	if (!code_of(program, &first, &last))
		return "its functions lie in no segment of code";
	for (size_t i = 0; i < COUNT && !why; i++) {
		if (functions[i].entry)
			why = plan_one(&functions[i]);
	}
	for (size_t i = 0; i < COUNT && !why; i++) {
		if (functions[i].entry && !(why = seek_tables(&functions[i], program->base == 0)))
			why = seek_short_branches(&functions[i]);
	}
	return why ? why : seek_long_branches(first, last);
}

/* --- the proof --- */

/* A page of code of its own, mapped from a file as that of the program is. */
__asm__(".pushsection .text.proof, \"ax\", @progbits\n"
	".balign 4096\n"
	"cn_proof:\n"
	"	mov $1, %eax\n"
	"	ret\n"
	".balign 4096\n"
	".popsection\n");
__attribute__((visibility("hidden"))) extern unsigned char cn_proof[];

#define PAGE 4096U

static bool may_change_code(void)
{
	unsigned char *volatile place = cn_proof + 1;
	int (*proof)(void);
	unsigned char *page = cn_proof;

	memcpy(&proof, &page, sizeof(proof));
	if (mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		return false;
	*place = 2;
	return mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0 && proof() == 2;
}

/* --- carrying it out --- */

static void put_jump(unsigned char *at, const unsigned char *to)
{
	int32_t distance = (int32_t)(to - (at + JUMP));

	at[0] = 0xe9;
	memcpy(at + 1, &distance, sizeof(distance));
}

/* Moved instructions reach as far from their new place as from the old one: all lie within NEAR_MOST. */
static bool move(const struct function *f, unsigned char *to)
{
	const unsigned char *room = to, *from = f->start, *end = f->start + f->moved;
	struct cn_insn insn = {.length = 0};

	memcpy(to, endbr64, sizeof(endbr64));
	to += sizeof(endbr64);
	for (; from < end; from += insn.length) {
		const unsigned char *target;
		int32_t distance;
		int64_t far;

		if (to + CN_INSN_MOST + JUMP > room + MOVED_ROOM || !cn_decode(from, &insn))
			return false;
		target = from + insn.length + insn.distance;
		if (insn.kind == CN_JUMP) {
			put_jump(to, target);
			return true;
		}
		if (insn.kind == CN_BRANCH) {
			distance = (int32_t)(target - (to + 6));
			to[0] = 0x0f;
			to[1] = (unsigned char)(0x80 | insn.condition);
			memcpy(to + 2, &distance, sizeof(distance));
			to += 6;
			continue;
		}
		memcpy(to, from, insn.length);
		if (insn.relative) {
			memcpy(&distance, from + insn.relative, sizeof(distance));
			far = distance + (from - to);
			distance = (int32_t)far;
			if (distance != far)
				return false;
			memcpy(to + insn.relative, &distance, sizeof(distance));
		}
		to += insn.length;
		if (insn.kind == CN_RETURN)
			return true;
	}
	put_jump(to, end);
	return true;
}

/* Near, and below the program: above it the heap grows. */
static void *near_memory(const struct cn_object *program, size_t size)
{
	const uintptr_t step = 0x10000;

	for (uintptr_t at = (program->start & ~(step - 1)) - step;
	     at >= step && at < program->start && program->end - at < NEAR_MOST; at -= step) {
		void *got = mmap((void *)at, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (got == (void *)at)
			return got;
		if (got != MAP_FAILED)
			munmap(got, size);
	}
	return NULL;
}

static bool fill_rooms(void)
{
	static const unsigned char jump[] = {0xff, 0x25, 0, 0, 0, 0}; /* to where the next 8 bytes say */

	for (size_t i = 0; i < COUNT; i++) {
		memcpy(rooms[i].to_hook, jump, sizeof(jump));
		memcpy(rooms[i].to_hook + sizeof(jump), &functions[i].hook, sizeof(functions[i].hook));
		if (functions[i].entry && !move(&functions[i], rooms[i].moved))
			return false;
	}
	return true;
}

static bool protect(int protection)
{
	for (size_t i = 0; i < COUNT; i++) {
		uintptr_t page = (uintptr_t)functions[i].start & ~(uintptr_t)(PAGE - 1);
		uintptr_t end = (uintptr_t)functions[i].start + JUMP;

		if (functions[i].entry && mprotect((void *)page, end - page, protection) != 0)
			return false;
	}
	return true;
}

static const char *carry_out(const struct cn_object *program)
{
	size_t size = sizeof(*rooms) * COUNT;

	rooms = near_memory(program, size);
	if (!rooms)
		return "no memory is to be had near it";
	if (!fill_rooms() || mprotect(rooms, size, PROT_READ | PROT_EXEC) != 0) {
		munmap(rooms, size);
		return "code may not be made in memory";
	}
	if (!protect(PROT_READ | PROT_WRITE | PROT_EXEC)) {
		protect(PROT_READ | PROT_EXEC);
		munmap(rooms, size);
		return "its code may not be changed";
	}
	for (size_t i = 0; i < COUNT; i++) {
		if (!functions[i].entry)
			continue;
		put_jump(functions[i].start, rooms[i].to_hook);
		functions[i].real = rooms[i].moved;
	}
	protect(PROT_READ | PROT_EXEC);
	return NULL;
}

/* --- whether --- */

static bool is_library(const struct cn_object *object, void *library)
{
	const char *slash = strrchr(object->name, '/');

	if (strcmp(slash ? slash + 1 : object->name, "libclosenotify.so") != 0)
		return false;
	*(struct cn_object *)library = *object;
	return true;
}

static const char *find_functions(const struct cn_object *program)
{
	struct cn_object library;

	if (!cn_object_each(is_library, &library))
		return "libclosenotify.so is not loaded";
	for (size_t i = 0; i < COUNT; i++) {
		struct function *f = &functions[i];

		f->hook = cn_object_symbol(&library, f->name);
		f->entry = cn_object_symbol(program, f->name);
		if (!f->entry)
			continue;
		f->size = cn_object_size_of(program, f->name);
		if (!f->hook || !f->size || f->size > FUNCTION_MOST)
			return "a function of unknown size";
		for (const struct function *other = functions; other < f; other++) {
			if (other->entry == f->entry) /* a linker has folded them */
				return "two of its functions are one";
		}
	}
	return NULL;
}

/* Without one of them the library leaves it alone: a linker takes of a static OpenSSL what the program uses. */
static const char *const needed[] = {
#define NEED(ret, name, params) #name,
#define MAY(ret, name, params)
	OPENSSL_USES
#undef NEED
#undef MAY
};

static bool has_needed(const struct cn_object *program)
{
	struct cn_scope scope;

	cn_scope_of(program, &scope);
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (!cn_scope_symbol(&scope, needed[i]))
			return false;
	}
	return true;
}

/* Each has a directory there, and . and .. count. */
static bool is_alone(void)
{
	struct stat threads;

	return stat("/proc/self/task", &threads) == 0 && threads.st_nlink == 3;
}

#ifndef ARCH_SHSTK_STATUS
#define ARCH_SHSTK_STATUS 0x5005
#endif

/* Shadow stacks of Linux 6.6; in a kernel without them, the question is an error. */
static bool has_shadow_stack(void)
{
	unsigned long features = 0;

	return syscall(SYS_arch_prctl, ARCH_SHSTK_STATUS, &features) == 0 && features != 0;
}

static const char *patch(const struct cn_object *program)
{
	const char *why;

	if (cn_object_each(is_another, (void *)program))
		return "an OpenSSL outside it is loaded as well";
	if (has_shadow_stack())
		return "it has a shadow stack";
	if (!is_alone())
		return "it has threads already, or /proc does not tell";
	why = find_functions(program);
	if (!why)
		why = plan(program);
	if (!why && !has_needed(program))
		why = "it lacks functions of OpenSSL that are needed";
	if (!why && !may_change_code())
		why = "code may not be changed here";
	return why ? why : carry_out(program);
}

#else

EXPORT void *closenotify_real(void *entry)
{
	return entry;
}

static const char *patch(const struct cn_object *program)
{
	(void)program;
	return "that is to be had on x86-64 only";
}

#endif

__attribute__((constructor)) static void start(void)
{
	const char *mode = getenv("CLOSENOTIFY_MODE"), *why;
	struct cn_object program;
	char path[256];
	ssize_t length;

	if (getauxval(AT_SECURE) || (mode && strcmp(mode, "off") == 0) ||
	    !cn_object_each(is_program, &program) || !defines_openssl(&program))
		return;
	why = patch(&program);
	if (!why)
		return;
	length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	say(length > 0 ? path : "the program", why);
}
