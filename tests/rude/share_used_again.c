/* SPDX-License-Identifier: MIT
 * A connection that a child had is closed; then the program touches its session once more, while a child of a second
 * connection goes on speaking on that one, SSL_free, close. The judge hears the second. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude first = rude_meet(argc, argv), r;
	int told[2];
	pid_t child = fork();
	char byte;

	if (!child)
		rude_vanish();
	rude_wait_for(child);
	SSL_shutdown(first.ssl);
	close(first.fd);
	r = rude_meet(argc, argv);
	if (pipe(told))
		rude_fail("pipe");
	child = fork();
	if (!child) {
		if (read(told[0], &byte, 1) != 1)
			rude_fail("read");
		rude_write(r.ssl, r.n);
		SSL_free(r.ssl);
		close(r.fd);
		rude_vanish();
	}
	close(r.fd);
	SSL_read(first.ssl, &byte, 1); /* fails */
	if (write(told[1], "", 1) != 1)
		rude_fail("write");
	rude_wait_for(child);
	rude_vanish();
}
