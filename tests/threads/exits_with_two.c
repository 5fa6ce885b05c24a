/* SPDX-License-Identifier: MIT
 * Two connections are open at exit: N bytes are on their way to one peer, 150000 to another, who may not take them.
 *
 *     exits_with_two PORT TLS N OTHER_PORT */
#include "rude.h"

static void meet_and_write(struct rude r, int n)
{
	int sndbuf = 212992; /* so that exit waits for the peer, not SSL_write */

	r.fd = rude_tcp(&r);
	if (setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)))
		rude_fail("SO_SNDBUF");
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, n);
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);

	r.ctx = rude_context(&r);
	meet_and_write(r, r.n);
	r.port = argc > 4 ? argv[4] : "";
	meet_and_write(r, 150000);
	return 0;
}
