/* SPDX-License-Identifier: MIT
 * One thread closes a descriptor whose number is taken at once by a socketpair, while another ends the old session.
 * Not a byte may reach the other end of the pair.
 *
 *     reuse_race PORT TLS N COUNT END CLOSE
 *
 * END: shutdown (SSL_shutdown, SSL_free) or free (SSL_free). CLOSE: close, raw (by no function at all), or first
 * (the close is over before the session ends: no race but reuse itself). */
#include "rude.h"

static struct rude r;
static pthread_barrier_t moment;
static bool says_shutdown, raw, first;
static int pair[2];

static void replace(void)
{
	if (raw)
		rude_raw(SYS_close, r.fd);
	else
		close(r.fd);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		rude_fail("socketpair");
}

static void *second(void *rounds)
{
	for (long i = 0; i < (long)rounds; i++) {
		pthread_barrier_wait(&moment);
		if (!first)
			replace();
		pthread_barrier_wait(&moment);
	}
	return NULL;
}

/* What has come out at the far end; ends the pair. */
static long heard(void)
{
	char bytes[4096];
	ssize_t got = recv(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT);

	close(pair[0]);
	close(pair[1]);
	return got > 0 || (got == 0);
}

int main(int argc, char **argv)
{
	long rounds = argc > 4 ? atoi(argv[4]) : 100, foreign = 0, taken = 0;
	const char *how = argc > 6 ? argv[6] : "close";
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	r = rude_arguments(argc, argv);
	r.ctx = rude_context(&r);
	says_shutdown = argc > 5 && !strcmp(argv[5], "shutdown");
	raw = !strcmp(how, "raw") || !strcmp(how, "raw_first");
	first = !strcmp(how, "first") || !strcmp(how, "raw_first");
	pthread_barrier_init(&moment, NULL, 2);
	if (pthread_create(&thread, NULL, second, (void *)rounds))
		rude_fail("pthread_create");
	for (long i = 0; i < rounds; i++) {
		r.fd = rude_tcp(&r);
		r.ssl = rude_session(&r);
		SSL_set_fd(r.ssl, r.fd);
		rude_shake_hands(r.ssl);
		rude_write(r.ssl, r.n);
		if (first)
			replace();
		pthread_barrier_wait(&moment);
		if (says_shutdown)
			SSL_shutdown(r.ssl);
		SSL_free(r.ssl);
		pthread_barrier_wait(&moment);
		taken += pair[0] == r.fd;
		foreign += heard();
	}
	pthread_join(thread, NULL);
	printf("number taken %ld, foreign bytes %ld\n", taken, foreign);
	return 0;
}
