/* SPDX-License-Identifier: MIT
 * SSL_write said WANT_WRITE in the middle of a write; exit(0) nevertheless. */
#include "half_written.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	write_until_full(&r);
	return 0;
}
