/* SPDX-License-Identifier: MIT
 * dup, then shutdown(SHUT_RDWR) on one number: the socket ends, whatever its other numbers. vsftpd's control connection
 * stands on 0, 1 and 2. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	int copy = dup(r.fd);

	TELL(shutdown(r.fd, SHUT_RDWR));
	TELL(close(copy));
	TELL(close(r.fd));
	return 0;
}
