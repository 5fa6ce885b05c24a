/* SPDX-License-Identifier: MIT
 * The calls whose instructions tests/bench/instructions counts. Each kind is a function of its own, cost__KIND, at whose
 * end callgrind writes down what was executed since the last such function ended; so count_begins() comes before it.
 *
 *     instructions */
#include "bench.h"

#define CALLS   100 /* tests/bench/instructions divides by it */
#define UNUSED  900
#define COUNTED __attribute__((noinline, noclone, used)) static void

COUNTED count_begins(void)
{
	__asm__ volatile("");
}

/* --- a descriptor that is no connection --- */

COUNTED cost__close_untracked(void)
{
	for (int n = 0; n < CALLS; n++)
		close(UNUSED);
}

COUNTED cost__shutdown_untracked(void)
{
	for (int n = 0; n < CALLS; n++)
		shutdown(UNUSED, SHUT_WR);
}

COUNTED cost__write_untracked(void)
{
	for (int n = 0; n < CALLS; n++)
		(void)!write(UNUSED, "", 1);
}

static void untracked(void)
{
	/* The first call binds the symbol. */
	close(UNUSED);
	count_begins();
	cost__close_untracked();
	shutdown(UNUSED, SHUT_WR);
	count_begins();
	cost__shutdown_untracked();
	(void)!write(UNUSED, "", 1);
	count_begins();
	cost__write_untracked();
}

/* --- a session: one per handshake --- */

COUNTED cost__session(void)
{
	for (int n = 0; n < CALLS; n++)
		SSL_SESSION_free(SSL_SESSION_new());
}

static void sessions(void)
{
	cheap_context(false);
	SSL_SESSION_free(SSL_SESSION_new());
	count_begins();
	cost__session();
}

/* --- records of one byte over a socket pair --- */

COUNTED cost__SSL_write(SSL *ssl)
{
	for (int n = 0; n < CALLS; n++)
		if (SSL_write(ssl, "", 1) != 1)
			rude_fail("SSL_write");
}

COUNTED cost__SSL_read(SSL *ssl)
{
	char byte;

	for (int n = 0; n < CALLS; n++)
		if (SSL_read(ssl, &byte, 1) != 1)
			rude_fail("SSL_read");
}

static void records(void)
{
	SSL *one, *other;

	meet_over_pair(cheap_context(false), cheap_context(true), &one, &other);
	cost__SSL_write(one);
	cost__SSL_read(other);
	count_begins();
	cost__SSL_write(one);
	cost__SSL_read(other);
}

/* --- the end of connections whose bytes have arrived, with an answer unread --- */

struct met {
	SSL *ssl;
	int fd;
};

COUNTED cost__free_then_close(struct met *met)
{
	for (int n = 0; n < CALLS; n++) {
		SSL_free(met[n].ssl);
		close(met[n].fd);
	}
}

COUNTED cost__close_then_free(struct met *met)
{
	for (int n = 0; n < CALLS; n++) {
		close(met[n].fd);
		SSL_free(met[n].ssl);
	}
}

static struct met *meet_all(void)
{
	struct met *met = calloc(CALLS, sizeof(*met));
	SSL_CTX *ctx = cheap_context(false);
	int port = start_peer(CALLS, false);

	for (int n = 0; n < CALLS; n++) {
		met[n].ssl = meet(ctx, port, 100, &met[n].fd);
		rude_flushed(met[n].fd);
	}
	count_begins();
	return met;
}

int main(int argc, char **argv)
{
	(void)argc;
	peer_begins(argv);
	untracked();
	sessions();
	records();
	cost__free_then_close(meet_all());
	cost__close_then_free(meet_all());
	rude_vanish();
}
