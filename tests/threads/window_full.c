/* SPDX-License-Identifier: MIT
 * A client closes when all that it wrote is acknowledged, more than N bytes, and fills the peer's receive window to the last byte. The peer,
 * a child that carries the bytes to the judge, has read the handshake alone; when the program has closed it sends, and reads on.
 *
 *     window_full PORT TLS N [close]
 *
 * SSL_free and close, or close alone. */
#include "carried.h"

#include <linux/tcp.h>

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
	struct carried c = {.handshake = 4096, .word = "not a record of TLS"};

	carried_begins(&r, &c);
	r.ctx = rude_context(&r);
	rude_speak(&r);
	fill_window(&r);
	if (argc < 5)
		SSL_free(r.ssl);
	TELL(close(r.fd));
	carried_over(&c);
	return 0;
}
