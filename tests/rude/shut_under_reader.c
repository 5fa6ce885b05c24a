/* SPDX-License-Identifier: MIT
 * One thread waits in SSL_read, and another calls shutdown(SHUT_WR): the peer's answer to that FIN ends the read. Then close,
 * SSL_free. */
#include "thread_in_read.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pthread_t thread = read_in_thread(&r);

	TELL(shutdown(r.fd, SHUT_WR));
	pthread_join(thread, NULL);
	close(r.fd);
	SSL_free(r.ssl);
	SSL_CTX_free(r.ctx);
	return 0;
}
