/* SPDX-License-Identifier: MIT
 * QUIC, both ends here, as in dtls.c: N bytes on a stream, then the rude client ends it.
 *
 *     quic PORT TLS N END    PORT and TLS are not looked at. END: free (SSL_free, close), shutdown (SSL_shutdown
 *                            once, SSL_free, close), stream (the stream alone, then the connection), streams (two of
 *                            them, each with an object of its own, freed at both ends), unconnected
 *
 * Exit status 77: this OpenSSL has no QUIC server (it came with 3.5). */
#include "rude.h"

#if OPENSSL_VERSION_NUMBER < 0x30500000L
int main(void)
{
	return 77;
}
#else
#include <openssl/quic.h>

static const unsigned char protocol[] = {4, 'r', 'u', 'd', 'e'};

static int choose(SSL *ssl, const unsigned char **out, unsigned char *length, const unsigned char *offered,
		  unsigned int offered_length, void *unused)
{
	(void)ssl, (void)unused;
	return SSL_select_next_proto((unsigned char **)out, length, protocol, sizeof(protocol), offered,
				     offered_length) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A UDP socket, and a BIO over it that SSL_free leaves open. */
static BIO *datagrams(int *fd)
{
	struct sockaddr_in address = {.sin_family = AF_INET};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&address, sizeof(address)))
		rude_fail("bind");
	return BIO_new_dgram(*fd, BIO_NOCLOSE);
}

static void calls(SSL *ssl, int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	BIO_ADDR *peer = BIO_ADDR_new();

	if (getsockname(fd, (struct sockaddr *)&address, &size) ||
	    !BIO_ADDR_rawmake(peer, AF_INET, &address.sin_addr, sizeof(address.sin_addr), address.sin_port) ||
	    !SSL_set1_initial_peer_addr(ssl, peer) || SSL_set_alpn_protos(ssl, protocol, sizeof(protocol)))
		rude_fail("peer");
	BIO_ADDR_free(peer);
}

/* Until one of the descriptors has something, or OpenSSL's own timer has. */
static void wait_for(SSL *one, int one_fd, SSL *other, int other_fd)
{
	struct pollfd fds[2] = {{.fd = one_fd, .events = POLLIN}, {.fd = other_fd, .events = POLLIN}};

	poll(fds, 2, 1);
	SSL_handle_events(one);
	SSL_handle_events(other);
}

/* Writes "hello" on two streams of the client's own making, has the server answer, frees them all. */
static void two_streams(SSL *client, int fd, SSL *server, int server_fd)
{
	char bytes[8];

	for (int i = 0; i < 2; i++) {
		SSL *mine = SSL_new_stream(client, 0), *theirs = NULL;

		if (!mine || SSL_write(mine, "hello", 5) != 5)
			rude_fail("stream");
		while (!theirs) {
			wait_for(client, fd, server, server_fd);
			theirs = SSL_accept_stream(server, SSL_ACCEPT_STREAM_NO_BLOCK);
		}
		while (SSL_read(theirs, bytes, sizeof(bytes)) != 5)
			wait_for(client, fd, server, server_fd);
		if (SSL_write(theirs, bytes, 5) != 5)
			rude_fail("answer");
		while (SSL_read(mine, bytes, sizeof(bytes)) != 5)
			wait_for(client, fd, server, server_fd);
		SSL_free(theirs);
		SSL_free(mine);
	}
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	SSL_CTX *near = SSL_CTX_new(OSSL_QUIC_client_method()), *far = SSL_CTX_new(OSSL_QUIC_server_method());
	const char *end = argc > 4 ? argv[4] : "free";
	SSL *listener, *server = NULL;
	char bytes[4096];
	int far_fd, heard = 0, got, last = 0;
	BIO *bio;

	rude_certificate(far);
	SSL_CTX_set_alpn_select_cb(far, choose, NULL);
	listener = SSL_new_listener(far, 0);
	bio = datagrams(&far_fd);
	SSL_set_bio(listener, bio, bio);
	r.ssl = SSL_new(near);
	bio = datagrams(&r.fd);
	SSL_set_bio(r.ssl, bio, bio);
	calls(r.ssl, far_fd);
	if (!SSL_set_blocking_mode(listener, 0) || !SSL_set_blocking_mode(r.ssl, 0) || !SSL_listen(listener))
		rude_fail("listen");
	if (strcmp(end, "unconnected")) {
		while (SSL_connect(r.ssl) != 1 || !server) {
			if (!server)
				server = SSL_accept_connection(listener, SSL_ACCEPT_CONNECTION_NO_BLOCK);
			if (SSL_get_shutdown(r.ssl) || SSL_want(r.ssl) == SSL_X509_LOOKUP)
				rude_fail("handshake");
			wait_for(r.ssl, r.fd, server ? server : listener, far_fd);
		}
		if (!strcmp(end, "streams")) {
			SSL_set_default_stream_mode(r.ssl, SSL_DEFAULT_STREAM_MODE_NONE);
			SSL_set_default_stream_mode(server, SSL_DEFAULT_STREAM_MODE_NONE);
			two_streams(r.ssl, r.fd, server, far_fd);
			r.n = 0;
		} else {
			rude_write(r.ssl, r.n);
		}
		while (heard < r.n) {
			got = SSL_read(server, bytes, sizeof(bytes));
			if (got > 0)
				heard += got;
			else
				wait_for(r.ssl, r.fd, server, far_fd);
		}
	}
	if (!strcmp(end, "stream"))
		TELL(SSL_stream_conclude(r.ssl, 0));
	while (strcmp(end, "free") && (last = SSL_shutdown(r.ssl)) == 0)
		wait_for(r.ssl, r.fd, server ? server : listener, far_fd);
	printf("SSL_shutdown gave %d, queue %lx\n", last, ERR_peek_error());
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	/* What the end has made the client send, and whether it ended the other side's connection. */
	if (server) {
		SSL_handle_events(server);
		printf("heard %d bytes, then SSL_read = %d", heard, SSL_read(server, bytes, sizeof(bytes)));
		printf(", the other end %s\n",
		       SSL_get_shutdown(server) & SSL_RECEIVED_SHUTDOWN ? "knows" : "does not know");
	} else {
		printf("heard %zd bytes\n", recv(far_fd, bytes, sizeof(bytes), 0));
	}
	if (strcmp(end, "streams"))
		rude_vanish();
	SSL_shutdown(server);
	SSL_free(server);
	SSL_free(listener);
	return 0;
}
#endif
