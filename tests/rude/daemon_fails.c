/* SPDX-License-Identifier: MIT
 * daemon(), whose fork inside libc fails, as where processes are few; then SSL_free, close. */
#include "rude.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	if (geteuid() == 0 && setresuid(65534, 65534, 65534)) /* the limit does not bind root */
		rude_fail("setresuid");
	if (setrlimit(RLIMIT_NPROC, &(struct rlimit){0}))
		rude_fail("setrlimit");
	TELL(daemon(1, 1));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
