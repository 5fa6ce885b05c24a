/* SPDX-License-Identifier: MIT
 * A thread is cancelled in SSL_shutdown; SSL_free, close. The second connection begins when the peer is done with the first.
 *
 *     cancelled PORT TLS N WHERE
 *
 * reading: while it waits for the peer's goodbye. writing: before its own has been written. closing: in close() instead, which then
 * does nothing, so that the connection goes on to a proper end. meanwhile: in close() too, but by what it calls, if at all. waiting: in close(), which
 * waits for a peer that reads nothing. */
#include "rude.h"

static bool before;

static void *closes(void *fd)
{
	if (before)
		pthread_cancel(pthread_self());
	close(*(int *)fd);
	return NULL;
}

static void cancel_waiting(const struct rude *r)
{
	const struct linger hour = {.l_onoff = 1, .l_linger = 3600};
	pthread_t thread;

	setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &hour, sizeof(hour));
	if (pthread_create(&thread, NULL, closes, (void *)&r->fd))
		rude_fail("pthread_create");
	while (fcntl(r->fd, F_GETFD) >= 0)
		usleep(1000);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	printf("waits no longer\n");
}

/* Returns whether the descriptor is still open. */
static bool close_cancelled(struct rude *r)
{
	bool open;
	pthread_t thread;
	void *result;

	if (pthread_create(&thread, NULL, closes, &r->fd) || pthread_join(thread, &result))
		rude_fail("pthread_create");
	open = fcntl(r->fd, F_GETFD) >= 0;
	printf("cancelled %d, open %d\n", result == PTHREAD_CANCELED, open);
	return open;
}

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

		if (!strcmp(argv[4], "waiting")) {
			cancel_waiting(&r);
			continue;
		}
		before = !strcmp(argv[4], "closing");
		if (before || !strcmp(argv[4], "meanwhile")) {
			if (close_cancelled(&r))
				rude_goes_on(&r);
			continue;
		}
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
