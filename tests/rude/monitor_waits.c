/* SPDX-License-Identifier: MIT
 * Processes as sshd has them: one accepts, one keeps the session and watches over a third, which speaks. The speaker only
 * closes while its monitor still has the socket; then the monitor tidies up. */
#include "monitor.h"

static void speak(struct rude *r)
{
	rude_write(r->ssl, r->n);
	SSL_free(r->ssl);
	close(r->fd);
}

int main(int argc, char **argv)
{
	under_monitor(rude_connect(argc, argv), speak);
	return 0;
}
