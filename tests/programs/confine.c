/* SPDX-License-Identifier: MIT
 * Becomes COMMAND under a seccomp filter that was there before it began, as in a container or a systemd unit: a system call
 * fails, and nothing is killed.
 *
 *     confine WHAT COMMAND [ARG...]
 *
 * WHAT: nothing, no_filter (SO_ATTACH_FILTER: ENOPROTOOPT), no_capability (EPERM, as without CAP_NET_ADMIN on Linux from August 2026 on), no_unix (AF_UNIX: EAFNOSUPPORT, as RestrictAddressFamilies=), no_threads (clone:
 * EAGAIN, as TasksMax=), no_recvmsg (ENOMEM), no_close_range and no_pidfd (ENOSYS). With LIBRARY in the environment COMMAND is
 * preloaded with that, confine itself is not. Exit status 99: the filter could not be set. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range /* Debian 11's headers */
#define SYS_close_range 436
#endif

#define NUMBER      offsetof(struct seccomp_data, nr)
#define LOW_HALF(n) ((unsigned int)(offsetof(struct seccomp_data, args) + 8 * (n)))
#define LOAD(at)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define UNLESS(value, steps)                                                                                 \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)(value), 0, steps) /* skips so many */
#define FAIL(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOW       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void install(struct sock_filter *rules, size_t count)
{
	struct sock_fprog program = {.len = (unsigned short)count, .filter = rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("seccomp");
		exit(99);
	}
}

static void refuse(long number, int error)
{
	struct sock_filter rules[] = {LOAD(NUMBER), UNLESS(number, 1), FAIL((unsigned int)error), ALLOW};

	install(rules, sizeof(rules) / sizeof(*rules));
}

/* With this value of this argument. */
static void refuse_if(long number, int argument, int value, int error)
{
	struct sock_filter rules[] = {
		LOAD(NUMBER),     UNLESS(number, 3),         LOAD(LOW_HALF((size_t)argument)),
		UNLESS(value, 1), FAIL((unsigned int)error), ALLOW};

	install(rules, sizeof(rules) / sizeof(*rules));
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "", *library = getenv("LIBRARY");

	if (!strcmp(what, "nothing")) {
		;
	} else if (!strcmp(what, "no_filter")) {
		refuse_if(SYS_setsockopt, 2, SO_ATTACH_FILTER, ENOPROTOOPT);
	} else if (!strcmp(what, "no_capability")) {
		refuse_if(SYS_setsockopt, 2, SO_ATTACH_FILTER, EPERM);
	} else if (!strcmp(what, "no_unix")) {
		refuse_if(SYS_socket, 0, AF_UNIX, EAFNOSUPPORT);
	} else if (!strcmp(what, "no_threads")) {
		refuse(SYS_clone, EAGAIN);
		refuse(435, EAGAIN); /* clone3 */
	} else if (!strcmp(what, "no_recvmsg")) {
		refuse(SYS_recvmsg, ENOMEM);
	} else if (!strcmp(what, "no_close_range")) {
		refuse(SYS_close_range, ENOSYS);
	} else if (!strcmp(what, "no_pidfd")) {
		refuse(434, ENOSYS); /* pidfd_open */
	} else {
		fprintf(stderr, "usage: confine WHAT COMMAND [ARG...]\n");
		return 2;
	}
	if (library)
		setenv("LD_PRELOAD", library, 1);
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
