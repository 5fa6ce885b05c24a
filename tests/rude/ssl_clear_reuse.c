/* SPDX-License-Identifier: MIT
 * SSL_clear, close; the session then goes on to a second connection, its callback with it, and ends that no better. */
#include "rude.h"

static int messages;

static void count(int sent, int version, int type, const void *bytes, size_t length, SSL *ssl, void *data)
{
	(void)sent, (void)version, (void)type, (void)bytes, (void)length, (void)ssl, (void)data;
	messages++;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	SSL_set_msg_callback(r.ssl, count);
	TELL(SSL_clear(r.ssl));
	TELL(close(r.fd));
	r.fd = rude_tcp(&r);
	SSL_set_fd(r.ssl, r.fd);
	messages = 0;
	rude_shake_hands(r.ssl);
	printf("told of the handshake: %d\n", messages > 0);
	SSL_set_msg_callback(r.ssl, NULL);
	rude_write(r.ssl, r.n);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
