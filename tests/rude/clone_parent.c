/* SPDX-License-Identifier: MIT
 * The parent closes and frees before the child, born by clone(), has called anything; then the child speaks. */
#include "rude.h"

static struct rude r;
static int line[2];

static int child_speaks(void *unused)
{
	char go;

	(void)unused;
	return read(line[0], &go, 1) == 1 ? rude_goes_on(&r) : 99;
}

int main(int argc, char **argv)
{
	static _Alignas(16) char stack[512 * 1024];
	pid_t child;

	r = rude_meet(argc, argv);
	if (pipe(line) || (child = clone(child_speaks, stack + sizeof(stack), SIGCHLD, NULL)) < 0)
		rude_fail("clone");
	TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	if (write(line[1], "", 1) != 1)
		rude_fail("write");
	rude_wait_for(child);
	return 0;
}
