/* SPDX-License-Identifier: MIT
 * One thread waits in SSL_read, and another calls shutdown(SHUT_WR): the peer's answer to that FIN ends the read. Then close,
 * SSL_free.
 *
 *     shut_under_reader PORT TLS N [says]
 *
 * says: SSL_shutdown before close, which fails. */
#include "thread_in_read.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pthread_t thread = read_in_thread(&r);

	TELL(shutdown(r.fd, SHUT_WR));
	pthread_join(thread, NULL);
	if (argc > 4)
		TELL(SSL_shutdown(r.ssl));
	poll(&(struct pollfd){.fd = r.fd}, 1, -1); /* until both sides have sent FIN */
	close(r.fd);
	SSL_free(r.ssl);
	SSL_CTX_free(r.ctx);
	return 0;
}
