/* SPDX-License-Identifier: MIT
 * SSL_free, then exit(0): the descriptor is never closed. PostgreSQL's backends. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL_VOID(SSL_free(r.ssl));
	return 0;
}
