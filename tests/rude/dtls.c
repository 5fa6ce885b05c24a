/* SPDX-License-Identifier: MIT
 * DTLS: SSL_free, close, without SSL_shutdown. Both ends are here; the far one tells what it hears. */
#include "rude.h"

/* Two connected UDP sockets. */
static void udp_pair(int fds[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (bind(fds[i], (struct sockaddr *)&address, size))
			rude_fail("bind");
	}
	for (int i = 0; i < 2; i++)
		if (getsockname(fds[i], (struct sockaddr *)&address, &size) ||
		    connect(fds[!i], (struct sockaddr *)&address, size))
			rude_fail("connect");
}

static SSL *dtls_session(SSL_CTX *ctx, int fd)
{
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	SSL *ssl = SSL_new(ctx);
	BIO *bio = BIO_new_dgram(fd, BIO_NOCLOSE);

	if (getpeername(fd, (struct sockaddr *)&peer, &size))
		rude_fail("getpeername");
	BIO_ctrl_set_connected(bio, &peer);
	SSL_set_bio(ssl, bio, bio);
	return ssl;
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	SSL_CTX *near = SSL_CTX_new(DTLS_client_method()), *far = SSL_CTX_new(DTLS_server_method());
	char bytes[4096];
	SSL *server;
	int fds[2];

	udp_pair(fds);
	rude_certificate(far);
	r.ssl = dtls_session(near, fds[0]);
	server = dtls_session(far, fds[1]);
	SSL_set_connect_state(r.ssl);
	SSL_set_accept_state(server);
	while (!SSL_is_init_finished(r.ssl) || !SSL_is_init_finished(server)) {
		if (SSL_do_handshake(r.ssl) < 0 && SSL_want(r.ssl) != SSL_READING)
			rude_fail("client");
		if (SSL_do_handshake(server) < 0 && SSL_want(server) != SSL_READING)
			rude_fail("server");
	}
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(fds[0]));
	printf("the other end heard %zd bytes\n", recv(fds[1], bytes, sizeof(bytes), 0));
	rude_vanish();
}
