/* SPDX-License-Identifier: MIT
 * close by syscall(SYS_close), as libuv does, then SSL_free. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(syscall(SYS_close, r.fd));
	TELL_VOID(SSL_free(r.ssl));
	return 0;
}
