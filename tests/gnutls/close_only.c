/* SPDX-License-Identifier: MIT
 * close, and the session is never freed. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	TELL(close(p.r.fd));
	return 0;
}
