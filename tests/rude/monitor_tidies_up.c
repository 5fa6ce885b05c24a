/* SPDX-License-Identifier: MIT
 * Processes as sshd has them: one accepts, one keeps the session and watches over a third, which speaks and ends it
 * properly. Then the monitor, which still has the socket, tidies up. */
#include "monitor.h"

static void speak(struct rude *r)
{
	rude_write(r->ssl, r->n);
	while (SSL_shutdown(r->ssl) == 0) /* until the peer has answered: nothing stays unread */
		;
	SSL_free(r->ssl);
	close(r->fd);
}

int main(int argc, char **argv)
{
	under_monitor(rude_connect(argc, argv), speak);
	return 0;
}
