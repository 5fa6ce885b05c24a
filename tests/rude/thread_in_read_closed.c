/* SPDX-License-Identifier: MIT
 * One thread waits inside SSL_read while another closes the socket; only the peer can wake it. Then SSL_free.
 */
#include "thread_in_read.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pthread_t thread;

	rude_flushed(r.fd);
	thread = read_in_thread(&r);
	TELL(close(r.fd));
	if (!r.server)
		rude_now();
	pthread_join(thread, NULL);
	SSL_free(r.ssl);
	SSL_CTX_free(r.ctx);
	return 0;
}
