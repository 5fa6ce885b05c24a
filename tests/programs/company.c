/* SPDX-License-Identifier: MIT
 * Ends a connection in strange places, then closes, frees and leaves by _exit.
 *
 *     company PORT TLS N WHAT [MORE]
 *
 * left K: but K descriptors are open to the limit. few K: RLIMIT_NOFILE is K. high FD: the connection has that number,
 * or the highest that is allowed; says whether the process has grown. seccomp kill|deny: a filter by the system call, for all that closing does not
 * need (killed, or EPERM). libseccomp kill|deny FILE: the same by that library. */
#include "../rude/rude.h"

#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define GROWTH (4096L * 1024)

static const int needed[] = {
	SYS_read,         SYS_write,           SYS_mmap,  SYS_mprotect,   SYS_munmap, SYS_brk,
	SYS_rt_sigreturn, SYS_restart_syscall, SYS_close, SYS_exit_group, SYS_getpid, SYS_shutdown,
};

/* Returns what it came to. */
static int limit(rlim_t most)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now))
		rude_fail("getrlimit");
	if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){most, most > now.rlim_max ? most : now.rlim_max}) == 0)
		return (int)most;
	now.rlim_cur = most < now.rlim_max ? most : now.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &now))
		rude_fail("setrlimit");
	return (int)now.rlim_cur;
}

/* Opens what can be opened, but for `free`. */
static void leave_open(int free)
{
	int last[8], count = 0, fd;

	limit(64);
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last[count++ % 8] = fd;
	if (free > 8 || count < 8)
		rude_fail("left");
	for (int i = 0; i < free; i++)
		close(last[i]);
}

static long size_of_process(void)
{
	char line[256] = "";
	long pages = 0;
	int fd = open("/proc/self/statm", O_RDONLY);

	if (fd < 0 || read(fd, line, sizeof(line) - 1) <= 0 || sscanf(line, "%*d %ld", &pages) != 1)
		rude_fail("statm");
	close(fd);
	return pages * sysconf(_SC_PAGESIZE);
}

static void filter(bool kill)
{
	struct sock_filter rules[2 * sizeof(needed) / sizeof(*needed) + 2];
	struct sock_fprog program = {.filter = rules};
	unsigned short n = 0;

	rules[n++] =
		(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		rules[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)needed[i],
							  0, 1);
		rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	rules[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, kill ? SECCOMP_RET_KILL_PROCESS
									: SECCOMP_RET_ERRNO | EPERM);
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		rude_fail("seccomp");
}

/* Without its header, so that nothing is needed to build this. */
static void filter_by_library(bool kill, const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	void *(*init)(uint32_t action);
	int (*add)(void *context, uint32_t action, int call, unsigned int comparisons, ...);
	int (*load)(const void *context);
	void *context;

	if (!library)
		rude_fail(dlerror());
	*(void **)&init = dlsym(library, "seccomp_init");
	*(void **)&add = dlsym(library, "seccomp_rule_add");
	*(void **)&load = dlsym(library, "seccomp_load");
	context = init(kill ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM);
	if (!context)
		rude_fail("seccomp_init");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (add(context, SECCOMP_RET_ALLOW, needed[i], 0))
			rude_fail("seccomp_rule_add");
	if (load(context))
		rude_fail("seccomp_load");
}

int main(int argc, char **argv)
{
	const char *what = argc > 4 ? argv[4] : "", *more = argc > 5 ? argv[5] : "";
	struct rude r = rude_connect(argc, argv);
	int number = atoi(more);
	long before, after = 0;

	if (!strcmp(what, "high")) {
		number = limit((rlim_t)number + 1) - 1;
		if (dup2(r.fd, number) != number)
			rude_fail("dup2");
		close(r.fd);
		r.fd = number;
	}
	before = size_of_process();
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	if (!strcmp(what, "left"))
		leave_open(number);
	if (!strcmp(what, "few"))
		limit((rlim_t)number);
	printf("closing\n");
	if (!strcmp(what, "seccomp"))
		filter(!strcmp(more, "kill"));
	if (!strcmp(what, "libseccomp"))
		filter_by_library(!strcmp(more, "kill"), argv[6]);
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	if (!strcmp(what, "high"))
		after = size_of_process();
	printf("%s\n", after - before < GROWTH ? "small" : "large");
	_exit(0);
}
