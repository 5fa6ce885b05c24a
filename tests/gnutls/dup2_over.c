/* SPDX-License-Identifier: MIT
 * gnutls_deinit; something else takes the number by dup2. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	int other = open("/dev/null", O_RDWR);

	TELL_VOID(gnutls_deinit(p.session));
	TELL(dup2(other, p.r.fd) == p.r.fd);
	return 0;
}
