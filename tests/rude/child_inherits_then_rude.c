/* SPDX-License-Identifier: MIT
 * The parent closes and frees; a forked child speaks on, and ends by SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int line[2];
	char go;
	pid_t child;

	if (pipe(line) || (child = fork()) < 0)
		rude_fail("fork");
	if (!child) {
		close(line[1]); /* or it would wait for ever for a parent that is killed */
		if (read(line[0], &go, 1) != 1)
			return 99;
		rude_write(r.ssl, r.n);
		TELL_VOID(SSL_free(r.ssl));
		TELL(close(r.fd));
		return 0;
	}
	close(r.fd);
	SSL_free(r.ssl);
	if (write(line[1], "", 1) != 1)
		rude_fail("write");
	rude_wait_for(child);
	return 0;
}
