/* SPDX-License-Identifier: MIT
 * The parent closes and frees, a forked child goes on speaking. ncat -lk. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int line[2], go;
	pid_t child;

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
