/* SPDX-License-Identifier: MIT
 * The program owns its socket's signals (F_SETOWN) and closes; then the peer, a child that carries the bytes to the judge, sends urgent
 * data, and more is carried. Prints how many SIGURG came.
 *
 *     urgent_while_lingering PORT TLS N */
#include "carried.h"

static volatile sig_atomic_t urgent;

static void count(int signal)
{
	(void)signal;
	urgent++;
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	struct carried c = {.handshake = 16384, .word = "!", .flags = MSG_OOB};

	carried_begins(&r, &c);
	signal(SIGURG, count);
	if (fcntl(r.fd, F_SETOWN, getpid()))
		rude_fail("F_SETOWN");
	r.ctx = rude_context(&r);
	rude_speak(&r);
	TELL(close(r.fd));
	carried_over(&c); /* the urgent byte is acknowledged with what it carries */
	printf("SIGURG %d\n", (int)urgent);
	return 0;
}
