/* SPDX-License-Identifier: MIT
 * The calls whose instructions tests/bench/instructions counts. Each kind is a function of its own, cost__KIND, at whose
 * end callgrind writes down what was executed since the last such function ended; so count_begins() comes before it.
 *
 *     instructions */
#include "bench.h"

#include <gnutls/gnutls.h>

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

/* --- the same over GnuTLS, by a shared key: records of one byte over a socket pair, and ends --- */

struct two {
	gnutls_session_t one, other;
	int fd[2];
};

static gnutls_session_t gnutls_end(bool server, int fd, void *credentials)
{
	gnutls_session_t session;

	if (gnutls_init(&session, (server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK) ||
	    gnutls_priority_set_direct(session, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK", NULL) ||
	    gnutls_credentials_set(session, GNUTLS_CRD_PSK, credentials))
		rude_fail("GnuTLS");
	gnutls_transport_set_int(session, fd);
	return session;
}

static int shared_key(gnutls_session_t session, const char *name, gnutls_datum_t *key)
{
	(void)session, (void)name;
	key->data = gnutls_calloc(1, 32);
	key->size = 32;
	return 0;
}

static struct two gnutls_meet(void)
{
	static gnutls_psk_client_credentials_t client;
	static gnutls_psk_server_credentials_t server;
	unsigned char zeros[32] = {0};
	gnutls_datum_t key = {zeros, sizeof(zeros)};
	struct two two;
	int first = 1, second = 1;

	if (!client) {
		gnutls_psk_allocate_client_credentials(&client);
		gnutls_psk_set_client_credentials(client, "bench", &key, GNUTLS_PSK_KEY_RAW);
		gnutls_psk_allocate_server_credentials(&server);
		gnutls_psk_set_server_credentials_function(server, shared_key);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, two.fd))
		rude_fail("socketpair");
	two.one = gnutls_end(false, two.fd[0], client);
	two.other = gnutls_end(true, two.fd[1], server);
	for (int n = 0; n < 1000 && (first || second); n++) {
		first = first ? gnutls_handshake(two.one) : 0;
		second = second ? gnutls_handshake(two.other) : 0;
	}
	if (first || second)
		rude_fail("gnutls_handshake");
	return two;
}

COUNTED cost__gnutls_send(struct two *two)
{
	for (int n = 0; n < CALLS; n++)
		if (gnutls_record_send(two->one, "", 1) != 1)
			rude_fail("gnutls_record_send");
}

COUNTED cost__gnutls_recv(struct two *two)
{
	char byte;

	for (int n = 0; n < CALLS; n++)
		if (gnutls_record_recv(two->other, &byte, 1) != 1)
			rude_fail("gnutls_record_recv");
}

COUNTED cost__gnutls_session(void)
{
	gnutls_session_t session;

	for (int n = 0; n < CALLS; n++) {
		if (gnutls_init(&session, GNUTLS_CLIENT))
			rude_fail("gnutls_init");
		gnutls_deinit(session);
	}
}

COUNTED cost__gnutls_deinit_then_close(struct two *two)
{
	for (int n = 0; n < CALLS; n++) {
		gnutls_deinit(two[n].one);
		close(two[n].fd[0]);
	}
}

static void over_gnutls(void)
{
	static struct two two[CALLS];

	cost__gnutls_session();
	count_begins();
	cost__gnutls_session();
	for (int n = 0; n < CALLS; n++)
		two[n] = gnutls_meet();
	cost__gnutls_send(two);
	cost__gnutls_recv(two);
	count_begins();
	cost__gnutls_send(two);
	cost__gnutls_recv(two);
	count_begins();
	cost__gnutls_deinit_then_close(two);
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
	over_gnutls();
	rude_vanish();
}
