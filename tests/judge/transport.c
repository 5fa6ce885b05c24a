// SPDX-License-Identifier: MIT
/* The judge's sockets. Invariant: nothing is an end but what recv() says of the wire. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "judge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

volatile sig_atomic_t told;

const char *const end_names[] = {"open", "fin", "rst", "timeout"};

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_signal(int signal)
{
	(void)signal;
	told = 1;
}

/* Waits for the descriptors, for some milliseconds, and for SIGUSR1, which comes only if no descriptor is ready. */
void wait_for(struct pollfd *watch, int count, int64_t ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	sigset_t none;

	sigemptyset(&none);
	if (ppoll(watch, (nfds_t)count, &time, &none) < 0 && errno != EINTR)
		die_errno("poll");
}

void let_be_told(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* The loopback address of one family or the other. */
union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int new_socket(union address *address)
{
	int fd = socket(opt.ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			opt.mptcp ? IPPROTO_MPTCP : IPPROTO_TCP);

	if (fd < 0)
		die_errno("socket");
	if (opt.rcvbuf && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &opt.rcvbuf, sizeof(opt.rcvbuf)) < 0)
		die_errno("SO_RCVBUF");
	memset(address, 0, sizeof(*address));
	if (opt.ipv6)
		address->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
						    .sin6_addr = in6addr_loopback,
						    .sin6_port = htons((uint16_t)opt.port)};
	else
		address->v4 = (struct sockaddr_in){.sin_family = AF_INET,
						   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
						   .sin_port = htons((uint16_t)opt.port)};
	return fd;
}

/* The listener; says its port on stdout. */
int listen_on_port(void)
{
	union address address;
	socklen_t size = sizeof(address);
	int fd = new_socket(&address), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &address.any, opt.ipv6 ? sizeof(address.v6) : sizeof(address.v4)) < 0)
		die_errno("bind");
	if (listen(fd, SOMAXCONN) < 0)
		die_errno("listen");
	if (getsockname(fd, &address.any, &size) < 0)
		die_errno("getsockname");
	/* the port stands at the same place in both */
	printf("listening %d\n", ntohs(address.v4.sin_port));
	fflush(stdout);
	return fd;
}

int connect_to_server(void)
{
	union address address;
	int fd = new_socket(&address), error = 0;
	socklen_t size = sizeof(error);
	struct pollfd ready = {.fd = fd, .events = POLLOUT};

	if (connect(fd, &address.any, opt.ipv6 ? sizeof(address.v6) : sizeof(address.v4)) < 0 &&
	    errno != EINPROGRESS)
		die_errno("connect");
	if (poll(&ready, 1, opt.timeout_ms) != 1)
		die(EXIT_BROKEN, "connect: nothing within %d ms", opt.timeout_ms);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		die_errno("SO_ERROR");
	if (error)
		die(EXIT_BROKEN, "connect: %s", strerror(error));
	return fd;
}

static void ended(struct peer *p, enum end end)
{
	if (p->stream_size)
		note(p, "", "partial_record");
	note(p, "", end_names[end]);
	p->end = end;
}

static void skip_plain_text(struct peer *p)
{
	size_t n = (size_t)opt.skip - p->skipped;

	n = n < p->stream_size ? n : p->stream_size;
	p->skipped += n;
	p->stream_size -= n;
	memmove(p->stream, p->stream + n, p->stream_size);
}

void read_socket(struct peer *p)
{
	ssize_t n = recv(p->fd, p->stream + p->stream_size, READ_SIZE, 0);

	if (n > 0) {
		p->stream_size += (size_t)n;
		skip_plain_text(p);
		cut_records(p);
		if (p->handshake)
			p->read_at = now_ms() + opt.read_pause_ms;
	} else if (n == 0) {
		/* A send that met the RST has taken the socket's error with it: recv then says 0. */
		ended(p, p->reset_on_send ? END_RST : END_FIN);
	} else if (errno != EAGAIN && errno != EINTR) {
		if (errno != ECONNRESET)
			broke(p, strerror(errno));
		ended(p, END_RST);
	}
}

void stop_writing(struct peer *p)
{
	p->closed_for_writing = true;
	p->in_flight = 0;
	(void)BIO_reset(p->wire);
}

bool push(struct peer *p)
{
	static char taken[READ_SIZE];
	char *data;
	long left;
	ssize_t n;

	while ((left = BIO_get_mem_data(p->wire, &data)) > 0) {
		n = send(p->fd, data, left < READ_SIZE ? (size_t)left : READ_SIZE, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) {
			/* ECONNRESET: RST before any FIN. EPIPE: RST after the FIN, the end stays a FIN. */
			p->reset_on_send = errno == ECONNRESET;
			p->send_errno = errno;
			stop_writing(p);
			return true;
		}
		BIO_read(p->wire, taken, (int)n);
	}
	p->sent += p->in_flight;
	p->in_flight = 0;
	if (p->close_notify_made && !p->send_errno)
		p->close_notify_sent = true;
	if (p->want_fin && !p->fin_sent) {
		shutdown(p->fd, SHUT_WR);
		p->fin_sent = true;
	}
	return true;
}

bool unacknowledged(int fd)
{
	int queued = 0;

	return !ioctl(fd, SIOCOUTQ, &queued) && queued > 0;
}
