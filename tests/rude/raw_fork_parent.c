/* SPDX-License-Identifier: MIT
 * The parent closes and frees before the child, born by syscall(SYS_clone), has called anything; then the child speaks. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int line[2];
	char go;
	pid_t child;

	if (pipe(line) || (child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) < 0)
		rude_fail("clone");
	if (!child)
		return read(line[0], &go, 1) == 1 ? rude_goes_on(&r) : 99;
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	if (write(line[1], "", 1) != 1)
		rude_fail("write");
	rude_wait_for(child);
	return 0;
}
