/* SPDX-License-Identifier: MIT
 * SSL_free, then exit(0), late enough for the peer's answer to lie unread when the kernel closes the descriptor. */
#include "rude.h"

#include <poll.h>

static struct rude r;

static void
wait_for_answer(void) /* registered before any call of TLS, so it comes after all that those register */
{
	struct pollfd answer = {.fd = r.fd, .events = POLLIN};

	poll(&answer, 1, 1000);
}

int main(int argc, char **argv)
{
	atexit(wait_for_answer);
	r = rude_meet(argc, argv);
	rude_flushed(r.fd);
	TELL_VOID(SSL_free(r.ssl));
	return 0;
}
