/* SPDX-License-Identifier: MIT
 * The parent closes and frees before the child, born by syscall(), has called anything; then the child speaks. FORK_BY:
 * SYS_clone (the default), SYS_fork where there is one, or SYS_clone3. */
#include "rude.h"

#include <linux/sched.h>

static pid_t fork_by(const char *call)
{
	struct clone_args arguments = {.exit_signal = SIGCHLD};

	if (!strcmp(call, "SYS_clone3"))
		return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
#ifdef SYS_fork
	if (!strcmp(call, "SYS_fork"))
		return (pid_t)syscall(SYS_fork);
#endif
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	const char *call = getenv("FORK_BY");
	int line[2];
	char go;
	pid_t child;

	if (pipe(line) || (child = fork_by(call ? call : "")) < 0)
		rude_fail("fork");
	if (!child)
		return read(line[0], &go, 1) == 1 ? rude_goes_on(&r) : 99;
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	if (write(line[1], "", 1) != 1)
		rude_fail("write");
	rude_wait_for(child);
	return 0;
}
