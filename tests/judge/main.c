// SPDX-License-Identifier: MIT
/*
 * judge: an independent TLS peer that reports exactly how the other side ended the connection.
 *
 * Invariant: nothing is an end but what stood on the wire. The judge does the socket I/O itself, cuts the
 * byte stream into records and hands them to OpenSSL one by one through memory BIOs, so that OpenSSL never
 * sees an EOF it could gloss over. Alerts are taken from the message callback, FIN and RST from recv().
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "judge.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct peer *meet(SSL_CTX *ctx, int fd, int number)
{
	struct peer *p = calloc(1, sizeof(*p));
	int on = 1;

	if (!p)
		die_errno("calloc");
	p->fd = fd;
	p->number = number;
	p->deadline = now_ms() + opt.timeout_ms;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	new_session(p, ctx);
	return p;
}

static void part(struct peer *p)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int error = 0;
	socklen_t size = sizeof(error);

	if (p->end == END_FIN && !getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size))
		p->rst_after_fin = error || p->send_errno;
	if (p->want_rst)
		setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(p->fd);
	report(p);
	/*
	 * RFC 5246 7.2.1: an improper close does not forbid resumption, and whether a session lives on is
	 * for the other side to show. SSL_free would withdraw it if no close_notify had been sent.
	 */
	SSL_set_shutdown(p->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(p->ssl);
	BIO_free(p->wire);
	EVP_MD_CTX_free(p->sha256);
	free(p);
}

/* One look at a connection. True when it has been judged and may be parted from. */
static bool advance(struct peer *p, bool readable)
{
	int64_t now;
	bool quiet;

	if (readable && p->end == END_OPEN)
		read_socket(p);
	quiet = write_socket(p);
	now = now_ms();
	if (p->close_at)
		return told || now >= p->close_at;
	if (quiet && p->want_rst && !unacknowledged(p->fd)) /* RST would take queued bytes with it */
		return true;
	if (quiet && p->end != END_OPEN) {
		p->close_at = now + opt.linger_open_ms;
		return told || !opt.linger_open_ms;
	}
	if (now < p->deadline && (!told || opt.first || opt.linger_open_ms))
		return false;
	if (p->end == END_OPEN)
		p->end = END_TIMEOUT;
	return true;
}

static bool may_read(const struct peer *p, int64_t now)
{
	if (p->end != END_OPEN || p->close_at)
		return false;
	if (opt.never_read && p->handshake)
		return p->peer_gone; /* all has arrived: reading no longer helps the peer */
	return now >= p->read_at;
}

/* Lingering after the peer's FIN, only RST can come. With both FINs sent, poll would report POLLHUP forever.
 */
static bool may_see_rst(const struct peer *p)
{
	return p->close_at && !p->fin_sent;
}

/* What to wait for. No interest means no descriptor, because poll always reports POLLHUP and POLLERR. */
static void interest(const struct peer *p, struct pollfd *w, int64_t now)
{
	w->events = 0;
	w->revents = 0;
	if (may_read(p, now))
		w->events |= POLLIN;
	else if (opt.never_read && p->end == END_OPEN)
		w->events |= POLLRDHUP;
	if (BIO_ctrl_pending(p->wire))
		w->events |= POLLOUT;
	w->fd = w->events || may_see_rst(p) ? p->fd : -1;
}

static int64_t wake_at(const struct peer *p, int64_t now)
{
	if (p->close_at)
		return p->close_at;
	if (p->want_rst)
		return now + 1;
	if (now < p->read_at && p->read_at < p->deadline)
		return p->read_at;
	return p->deadline;
}

/* Judges `total` connections, all that come from the listener at once, or the single one given. */
static void judge(SSL_CTX *ctx, int listener, struct peer *only, int total)
{
	struct peer **peers = calloc((size_t)total, sizeof(struct peer *));
	struct pollfd *watch = calloc((size_t)total + 1, sizeof(struct pollfd));
	int met = 0, active = 0, i, kept, fd;
	int64_t now = now_ms(), idle_since = now, wake;

	if (!peers || !watch)
		die_errno("calloc");
	if (only) {
		peers[active++] = only;
		met = 1;
	}
	while (met < total || active) {
		now = now_ms();
		wake = active ? INT64_MAX : idle_since + opt.accept_timeout_ms;
		if (!active && now >= wake)
			die(EXIT_BROKEN, "no connection came within %d ms", opt.accept_timeout_ms);
		for (i = 0; i < active; i++) {
			interest(peers[i], &watch[i], now);
			if (wake_at(peers[i], now) < wake)
				wake = wake_at(peers[i], now);
		}
		watch[active].fd = met < total ? listener : -1;
		watch[active].events = POLLIN;
		watch[active].revents = 0;
		wait_for(watch, active + 1, wake > now ? wake - now : 0);
		fd = watch[active].revents ? accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
		for (i = 0, kept = 0; i < active; i++) {
			if (watch[i].revents & (POLLRDHUP | POLLHUP | POLLERR))
				peers[i]->peer_gone = true;
			if (watch[i].revents & POLLERR && may_see_rst(peers[i]))
				peers[i]->close_at = now;
			if (advance(peers[i], watch[i].revents && may_read(peers[i], now_ms())))
				part(peers[i]);
			else
				peers[kept++] = peers[i];
		}
		if (active && !kept)
			idle_since = now_ms();
		active = kept;
		if (fd >= 0)
			peers[active++] = meet(ctx, fd, ++met);
		if (met == total && listener >= 0) {
			close(listener);
			listener = -1;
		}
	}
	free(peers);
	free(watch);
}

static void visit(SSL_CTX *ctx)
{
	int i, total = opt.connections * opt.repeat;

	for (i = 1; i <= total; i++) {
		if ((i - 1) % opt.repeat == 0) { /* a new visitor */
			forget_session();
			load_session();
		}
		judge(ctx, -1, meet(ctx, connect_to_server(), i), 1);
		save_session();
	}
	forget_session();
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx;

	parse(argc, argv);
	let_be_told();
	ctx = new_context();
	if (opt.server)
		judge(ctx, listen_on_port(), NULL, opt.connections);
	else
		visit(ctx);
	SSL_CTX_free(ctx);
	free(opt.request);
	return EXIT_JUDGED;
}
