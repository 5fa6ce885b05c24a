/* SPDX-License-Identifier: MIT
 * A client closes when all that it wrote is acknowledged, more than N bytes, and fills the peer's receive window to the last byte. The peer,
 * a child that carries the bytes to the judge, has read the handshake alone; when the program has closed it sends, and reads on.
 *
 *     window_full PORT TLS N [close]
 *
 * SSL_free and close, or close alone. */
#include "rude.h"

#include <linux/tcp.h>

static void carry(int near, int wire, int closed)
{
	char bytes[16384];
	struct pollfd ends[3] = {{.fd = near, .events = POLLIN},
				 {.fd = wire, .events = POLLIN},
				 {.fd = closed, .events = POLLIN}};

	while (poll(ends, 3, -1) > 0 && !ends[2].revents) {
		if (ends[1].revents && !rude_carry(wire, near))
			ends[1].fd = -1;
		if (ends[0].revents && recv(near, bytes, sizeof(bytes), MSG_PEEK) < 512)
			rude_carry(near, wire);
		else if (ends[0].revents)
			ends[0].fd = -1;
	}
	send(near, bytes, 20, MSG_NOSIGNAL);
	while (rude_carry(near, wire))
		;
	rude_vanish();
}

/* Returns the window once there is nothing on its way. */
static uint32_t window_of(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	do {
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
			rude_fail("TCP_INFO");
	} while (info.tcpi_unacked || info.tcpi_notsent_bytes);
	return info.tcpi_snd_wnd;
}

static void fill_window(struct rude *r)
{
	const int record = 22; /* more than what is in it */
	uint32_t window;

	while ((window = window_of(r->fd)) != 0)
		rude_write(r->ssl, window > 16384 ? 8192 : window > 2 * record ? (int)window - record : 1);
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int wire = rude_tcp(&r), listener = socket(AF_INET, SOCK_STREAM, 0), closed[2];
	pid_t peer;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) || pipe(closed) || (peer = fork()) < 0)
		rude_fail("listen");
	if (peer == 0) {
		close(closed[1]);
		carry(accept(listener, NULL, NULL), wire, closed[0]);
	}
	close(wire);
	r.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(r.fd, (struct sockaddr *)&address, size))
		rude_fail("connect");
	r.ctx = rude_context(&r);
	rude_speak(&r);
	fill_window(&r);
	if (argc < 5)
		SSL_free(r.ssl);
	TELL(close(r.fd));
	close(closed[1]);
	rude_wait_for(peer);
	return 0;
}
