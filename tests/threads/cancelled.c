/* SPDX-License-Identifier: MIT
 * A thread is cancelled in SSL_shutdown; SSL_free, close. The second connection begins when the peer is done with the first.
 *
 *     cancelled PORT TLS N WHERE
 *
 * reading: while it waits for the peer's goodbye. writing: before its own has been written. */
#include "rude.h"

static void *shuts_down(void *session)
{
	pthread_cancel(pthread_self()); /* in the first call that may wait */
	SSL_shutdown(session);
	return NULL;
}

int main(int argc, char **argv)
{
	for (int round = 0; round < 2; round++) {
		struct rude r = rude_meet(argc, argv);
		pthread_t thread;
		void *result;

		if (!strcmp(argv[4], "reading") && SSL_shutdown(r.ssl) != 0)
			rude_fail("SSL_shutdown");
		if (pthread_create(&thread, NULL, shuts_down, r.ssl) || pthread_join(thread, &result))
			rude_fail("pthread_create");
		printf("cancelled %d, writes to its descriptor %d\n", result == PTHREAD_CANCELED,
		       SSL_get_wfd(r.ssl) == r.fd);
		SSL_free(r.ssl);
		close(r.fd);
		SSL_CTX_free(r.ctx);
	}
	return 0;
}
