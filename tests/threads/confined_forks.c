/* SPDX-License-Identifier: MIT
 * Under a seccomp filter that kills on system calls that forks and ends do not need, a program forks by each way, lays another
 * file over its connection's number, shuts down its reading half, and ends its first thread.
 *
 *     confined_forks PORT TLS N */
#include "rude.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define KILL(name)                                                                                           \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                               \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

static void confine(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		KILL(getpid),
		KILL(getppid),
		KILL(gettid),
		KILL(fcntl),
		KILL(getsockopt),
		KILL(ioctl),
		KILL(kill),
		KILL(tgkill),
		KILL(waitid),
		KILL(readlinkat),
		KILL(socket),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(rules) / sizeof(*rules), .filter = rules};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		rude_fail("prctl");
}

static void tell_of(const char *how, pid_t child)
{
	int status = -1;

	if (child < 0 || waitpid(child, &status, 0) != child)
		rude_fail(how);
	printf("%s %d\n", how, status);
}

static __attribute__((noinline)) pid_t vforked(void)
{
	pid_t child = vfork();

	if (child == 0)
		_exit(4);
	return child;
}

static void *outlive(void *first)
{
	pthread_join(*(pthread_t *)first, NULL);
	printf("first thread over\n");
	exit(0);
}

int main(int argc, char **argv)
{
	static pthread_t first, second;
	struct rude r = rude_meet(argc, argv);
	int other = open("/dev/null", O_WRONLY);
	pid_t child;

	confine();
	tell_of("vfork", vforked());
	child = fork();
	if (child == 0)
		_exit(dup2(other, r.fd) == r.fd ? 5 : 6);
	tell_of("fork", child);
#ifdef SYS_fork
	child = (pid_t)syscall(SYS_fork);
	if (child == 0)
		_exit(close(r.fd) == 0 ? 7 : 8);
	tell_of("syscall", child);
#endif
	printf("shut %d\n", shutdown(r.fd, SHUT_RD));
	printf("over %d\n", dup2(other, r.fd) == r.fd);
	first = pthread_self();
	if (pthread_create(&second, NULL, outlive, &first))
		rude_fail("pthread_create");
	pthread_exit(NULL);
}
