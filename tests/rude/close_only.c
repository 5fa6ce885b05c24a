/* SPDX-License-Identifier: MIT
 * close; the session is never freed. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(close(r.fd));
	return 0;
}
