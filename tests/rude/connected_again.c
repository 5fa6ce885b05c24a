/* SPDX-License-Identifier: MIT
 * The session object of one connection is used for a second one, which it ends by SSL_free and close alone.
 *
 *     connected_again PORT TLS [N [FIRST THEN]]    letters: what is done with the first connection, and before the second
 *
 * g garbage instead of a ClientHello, h handshake, s SSL_shutdown, r shutdown(SHUT_RDWR), C close, d dup; u the same socket is
 * connected once more (connect(AF_UNSPEC) before), f a new socket, c SSL_clear, a SSL_set_connect_state. THEN may end in 1: after N
 * bytes SHUT_WR, and reads to the end. */
#include "rude.h"

static void connect_again(struct rude *r)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(r->port))};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(r->fd, &nowhere, sizeof(nowhere)) ||
	    connect(r->fd, (struct sockaddr *)&address, sizeof(address)))
		rude_fail("connect");
}

static void deed(struct rude *r, char letter)
{
	switch (letter) {
	case 'g':
		send(r->fd, "garbage", 7, MSG_NOSIGNAL);
		break;
	case 'h':
		SSL_do_handshake(r->ssl);
		ERR_clear_error();
		break;
	case 's':
		SSL_shutdown(r->ssl);
		break;
	case 'r':
		shutdown(r->fd, SHUT_RDWR);
		break;
	case 'C':
		close(r->fd);
		break;
	case 'd':
		r->fd = dup(r->fd);
		SSL_set_fd(r->ssl, r->fd);
		break;
	case 'u':
		connect_again(r);
		break;
	case 'f':
		r->fd = rude_tcp(r);
		SSL_set_fd(r->ssl, r->fd);
		break;
	case 'c':
		SSL_clear(r->ssl);
		break;
	case 'a':
		SSL_set_connect_state(r->ssl);
		break;
	default:
		rude_fail("no such letter");
	}
}

static void read_to_end(struct rude *r)
{
	char bytes[16384];
	int got, all = 0;

	shutdown(r->fd, SHUT_WR);
	while ((got = SSL_read(r->ssl, bytes, sizeof(bytes))) > 0)
		all += got;
	printf("read %d\n", all);
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	const char *first = argc > 5 ? argv[4] : "gh", *then = argc > 5 ? argv[5] : "fca";

	signal(SIGPIPE, SIG_IGN);
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	for (; *first; first++)
		deed(&r, *first);
	for (; *then && *then != '1'; then++)
		deed(&r, *then);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	if (*then == '1')
		read_to_end(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
