/* SPDX-License-Identifier: MIT
 * close by raw system call, the number goes to a socketpair; exit(0) with session and number as they are. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[4096];
	int pair[2];
	pid_t witness;

	rude_raw(SYS_close, r.fd);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pair[0] != r.fd || (witness = fork()) < 0)
		rude_fail("the number");
	if (witness) /* the parent exits first, its ending must not be heard by the child */
		return 0;
	rude_raw(SYS_close, pair[0]);
	printf("the other end heard %zd bytes\n", read(pair[1], bytes, sizeof(bytes)));
	rude_vanish();
}
