/* SPDX-License-Identifier: MIT
 * Both sides say goodbye; the socket is given to a spawned program, which writes plain text after our close. */
#include "rude.h"

extern char **environ;

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char script[64], *words[] = {"sh", "-c", script, NULL};
	int line[2];
	pid_t child;

	while (SSL_shutdown(r.ssl) == 0)
		;
	TELL_VOID(SSL_free(r.ssl));
	snprintf(script, sizeof(script), "read go; echo plain text >&%d", r.fd);
	if (pipe(line) || dup2(line[0], 0) || close(line[0]) ||
	    posix_spawn(&child, "/bin/sh", NULL, NULL, words, environ))
		rude_fail("posix_spawn");
	TELL(close(r.fd));
	if (write(line[1], "go\n", 3) != 3)
		rude_fail("write");
	rude_wait_for(child);
	return 0;
}
