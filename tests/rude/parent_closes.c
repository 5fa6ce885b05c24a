/* SPDX-License-Identifier: MIT
 * The parent closes and frees, a forked child goes on speaking. ncat -lk.
 *
 *     parent_closes PORT TLS N [namespace]
 *
 * namespace: both in a PID namespace of their own, where /proc still shows the outer one. */
#include "rude.h"

static void enter_namespace(void)
{
	pid_t child;

	if (unshare(CLONE_NEWPID) || (child = fork()) < 0)
		rude_fail("unshare");
	if (child) {
		rude_wait_for(child);
		exit(0);
	}
}

int main(int argc, char **argv)
{
	struct rude r;
	int line[2], go;
	pid_t child;

	if (argc > 4)
		enter_namespace();
	r = rude_meet(argc, argv);
	if (pipe(line) || (child = fork()) < 0)
		rude_fail("fork");
	if (!child) {
		close(line[1]); /* or it would wait for ever for a parent that is killed */
		return read(line[0], &go, 1) == 1 ? rude_goes_on(&r) : 99;
	}
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	if (write(line[1], "", 1) != 1) /* all is closed before the child says another word */
		rude_fail("write");
	rude_wait_for(child);
	return 0;
}
