/* SPDX-License-Identifier: MIT
 * TLS inside TLS: an inner session whose bytes go through an outer one, as with an HTTPS proxy. The inner hello is on no
 * socket, so the inner session belongs to none; it is freed first, without a goodbye, while the outer goes on. */
#include "../rude/rude.h"

static BIO *in_out[2]; /* what the inner client has said, and what it is told */

static SSL *inner(const struct rude *r, bool server)
{
	struct rude role = {.server = server, .tls = r->tls};
	SSL_CTX *ctx = rude_context(&role);
	SSL *ssl;

	if (server)
		rude_certificate(ctx);
	role.ctx = ctx;
	ssl = rude_session(&role);
	SSL_CTX_free(ctx);
	BIO_up_ref(in_out[0]);
	BIO_up_ref(in_out[1]);
	SSL_set_bio(ssl, in_out[server ? 0 : 1], in_out[server ? 1 : 0]);
	return ssl;
}

/* What the inner client says also goes through the outer session: that is the tunnel. */
static void tunnel(const struct rude *r)
{
	char *bytes;
	long size = BIO_get_mem_data(in_out[0], &bytes);

	if (size > 0 && SSL_write(r->ssl, bytes, (int)size) != (int)size)
		rude_fail("SSL_write");
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	SSL *client, *server;

	in_out[0] = BIO_new(BIO_s_mem());
	in_out[1] = BIO_new(BIO_s_mem());
	client = inner(&r, false);
	server = inner(&r, true);
	for (int met = 0; met != 2;) {
		met = SSL_do_handshake(client) == 1;
		tunnel(&r);
		met += SSL_do_handshake(server) == 1;
	}
	TELL_VOID(SSL_free(client));
	TELL_VOID(SSL_free(server));
	BIO_free(in_out[0]);
	BIO_free(in_out[1]);
	return rude_goes_on(&r);
}
