/* SPDX-License-Identifier: MIT
 * Writes N bytes and ends the connection before the peer can have read them.
 *
 *     ends_with_bytes PORT TLS N HOW [blocking|nonblocking] [UNREAD] [SNDBUF] [now|alone]
 *
 * HOW: close, free_close, shutdown_close, shut_wr_close, free_shut_rdwr_close, exit or _exit. UNREAD: so many bytes of
 * the peer's have come and stay unread. now: the judge is told when all that is done. alone: lives until no other thread does. */
#include "rude.h"

static void write_all(struct rude *r, bool blocking)
{
	static char letters[26 * 630];
	struct pollfd ready = {.fd = r->fd, .events = POLLOUT};

	if (blocking) {
		rude_write(r->ssl, r->n);
		return;
	}
	rude_nonblocking(r->fd);
	for (size_t i = 0; i < sizeof(letters); i++)
		letters[i] = (char)('a' + i % 26);
	for (int left = r->n, part; left > 0; left -= part) {
		part = left < (int)sizeof(letters) ? left : (int)sizeof(letters);
		while (SSL_write(r->ssl, letters, part) != part) {
			if (SSL_want(r->ssl) != SSL_WRITING)
				rude_fail("SSL_write");
			poll(&ready, 1, -1);
		}
	}
}

static void end(struct rude *r, const char *how)
{
	if (!strcmp(how, "exit"))
		exit(0);
	if (!strcmp(how, "_exit"))
		_exit(0);
	if (!strncmp(how, "free", 4))
		TELL_VOID(SSL_free(r->ssl));
	if (!strcmp(how, "shutdown_close"))
		TELL(SSL_shutdown(r->ssl));
	if (!strcmp(how, "shut_wr_close"))
		TELL(shutdown(r->fd, SHUT_WR));
	if (!strcmp(how, "free_shut_rdwr_close"))
		TELL(shutdown(r->fd, SHUT_RDWR));
	TELL(close(r->fd));
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	int unread = argc > 6 ? atoi(argv[6]) : 0, sndbuf = argc > 7 ? atoi(argv[7]) : 0;

	if (sndbuf && setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)))
		rude_fail("SO_SNDBUF");
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	write_all(&r, argc < 6 || strcmp(argv[5], "nonblocking"));
	for (int there = 0; there < unread; sched_yield())
		if (ioctl(r.fd, FIONREAD, &there))
			rude_fail("FIONREAD");
	end(&r, argc > 4 ? argv[4] : "close");
	if (argc > 8 && !strcmp(argv[8], "now"))
		rude_now();
	if (argc > 8 && !strcmp(argv[8], "alone"))
		rude_alone();
	return 0;
}
