/* SPDX-License-Identifier: MIT
 * Ends a connection from a place where little is allowed.
 *
 *     confined PORT TLS N WHAT
 *
 * chroot: an empty root, no privileges. last: no descriptor is left. million: RLIMIT_NOFILE of a million, or what there
 * is. strict: a seccomp filter that kills on every system call that sending and closing do not need, as vsftpd's does
 * (its seccompsandbox.c allows read, write, close, shutdown, recvfrom to peek, getpid, memory, and kills the rest); set by
 * prctl. strict_by_number: set by syscall(SYS_seccomp). */
#include "rude.h"

#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void no_privileges(void)
{
	if (chroot("/proc/self/fdinfo") || chdir("/"))
		rude_fail("chroot");
	if (setgroups(0, NULL) == 0 && (setgid(65534) || setuid(65534)))
		rude_fail("setuid");
}

static void limit(rlim_t most)
{
	struct rlimit now;

	getrlimit(RLIMIT_NOFILE, &now);
	now.rlim_cur = most < now.rlim_max ? most : now.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &now))
		rude_fail("setrlimit");
}

#define ALLOW(name)                                                                                          \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void strict(bool by_number)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(mmap),
		ALLOW(mprotect),
		ALLOW(munmap),
		ALLOW(brk),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		ALLOW(close),
		ALLOW(exit_group),
		ALLOW(shutdown),
		ALLOW(rt_sigaction),
		ALLOW(alarm),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {.len = sizeof(rules) / sizeof(*rules), .filter = rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    (by_number ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
		       : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)))
		rude_fail("seccomp");
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	const char *what = argc > 4 ? argv[4] : "";

	if (!strcmp(what, "chroot"))
		no_privileges();
	if (!strcmp(what, "last"))
		limit(3);
	if (!strcmp(what, "million"))
		limit(1000000);
	printf("closing\n");
	if (!strncmp(what, "strict", 6))
		strict(!strcmp(what, "strict_by_number"));
	close(r.fd);
	SSL_free(r.ssl);
	_exit(0);
}
