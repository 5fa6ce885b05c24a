/* SPDX-License-Identifier: MIT
 * Shuts the socket for reading, then closes it, while the peer goes on sending.
 *
 *     shut_rd_close PORT TLS N HOW
 *
 * HOW: close: shutdown(SHUT_RD), close. wr: shutdown(SHUT_RD), shutdown(SHUT_WR), close. wr_first: the two in the other order. exit: no close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	const char *how = argc > 4 ? argv[4] : "";

	if (!strcmp(how, "wr_first"))
		TELL(shutdown(r.fd, SHUT_WR));
	TELL(shutdown(r.fd, SHUT_RD));
	if (!strcmp(how, "wr"))
		TELL(shutdown(r.fd, SHUT_WR));
	if (strcmp(how, "exit"))
		TELL(close(r.fd));
	return 0;
}
