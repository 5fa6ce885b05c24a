/* SPDX-License-Identifier: MIT
 * Sends N bytes as early data to a server that takes none, and does not send them again: SSL_free, close. TLS 1.3, client.
 * Before that a connection that gives the session, properly ended.
 *
 *     early_data_rejected PORT 1.3 N HOW     HOW: lost, resent */
#include "rude.h"

static SSL_SESSION *ticket;

static int keep(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

static void get_ticket(struct rude *r)
{
	char byte;

	SSL_CTX_set_session_cache_mode(r->ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(r->ctx, keep);
	r->ssl = rude_session(r);
	SSL_set_fd(r->ssl, r->fd);
	rude_shake_hands(r->ssl);
	SSL_shutdown(r->ssl);
	while (SSL_read(r->ssl, &byte, 1) > 0)
		;
	SSL_free(r->ssl);
	close(r->fd);
	if (!ticket || SSL_SESSION_set_max_early_data(ticket, 16384) != 1)
		rude_fail("ticket");
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	char bytes[16384] = "";
	size_t put;

	get_ticket(&r);
	r.fd = rude_tcp(&r);
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	SSL_set_session(r.ssl, ticket);
	TELL(SSL_write_early_data(r.ssl, bytes, (size_t)r.n, &put));
	TELL(SSL_connect(r.ssl));
	if (SSL_get_early_data_status(r.ssl) != SSL_EARLY_DATA_REJECTED)
		rude_fail("not rejected");
	if (argc > 4 && !strcmp(argv[4], "resent"))
		rude_write(r.ssl, r.n);
	SSL_free(r.ssl);
	TELL(close(r.fd));
	return 0;
}
