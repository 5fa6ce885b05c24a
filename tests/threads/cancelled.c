/* SPDX-License-Identifier: MIT
 * A thread waits in SSL_shutdown for the peer's goodbye and is cancelled; SSL_free, close. The second connection begins when
 * the peer is done with the first.
 *
 *     cancelled PORT TLS N */
#include "rude.h"

static void *waits(void *session)
{
	SSL_shutdown(session);
	return NULL;
}

int main(int argc, char **argv)
{
	for (int round = 0; round < 2; round++) {
		struct rude r = rude_meet(argc, argv);
		pthread_t thread;
		void *result;

		if (SSL_shutdown(r.ssl) != 0)
			rude_fail("SSL_shutdown");
		if (pthread_create(&thread, NULL, waits, r.ssl) || pthread_cancel(thread) ||
		    pthread_join(thread, &result))
			rude_fail("pthread_cancel");
		printf("cancelled %d, writes to its descriptor %d\n", result == PTHREAD_CANCELED,
		       SSL_get_wfd(r.ssl) == r.fd);
		SSL_free(r.ssl);
		close(r.fd);
		SSL_CTX_free(r.ctx);
	}
	return 0;
}
