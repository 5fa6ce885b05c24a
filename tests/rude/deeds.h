/* SPDX-License-Identifier: MIT
 * For programs that do what a string of letters says, whatever their TLS library (programs/party.c, gnutls/orders.c): any
 * string runs, a deed that makes no sense by now is left out, and nothing is said. */
#ifndef DEEDS_H
#define DEEDS_H

#include "rude.h"

static struct rude r;

struct deed {
	char letter, needs; /* the session or the descriptor */
	int number;
	void (*perform)(int n);
	const char *meaning;
};

static void fd_close(int n)
{
	(void)n;
	close(r.fd);
	r.fd = -1;
}

static void fd_go_on_by_copy(int n)
{
	int copy = dup(r.fd);

	(void)n;
	close(r.fd);
	r.fd = copy;
}

static void fd_shutdown(int n)
{
	shutdown(r.fd, n);
}

static void fd_replace(int n)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)n;
	dup2(null, r.fd);
	close(null);
	r.fd = -1;
}

static void fd_abort(int n)
{
	struct linger linger = {.l_onoff = 1, .l_linger = n};

	setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void nonblocking(int n)
{
	fcntl(r.fd, F_SETFL, n ? O_NONBLOCK : 0);
}

static void flushed(int n)
{
	struct pollfd gone = {.fd = r.fd};

	(void)n;
	for (int unsent = 1; unsent > 0 && !ioctl(r.fd, SIOCOUTQ, &unsent);)
		if (unsent && poll(&gone, 1, 1) > 0)
			break;
}

static void unread(int n)
{
	struct pollfd gone = {.fd = r.fd};

	for (int bytes = 0; bytes < n && !ioctl(r.fd, FIONREAD, &bytes);)
		if (bytes < n && poll(&gone, 1, 1) > 0)
			break;
}

static void wait_end(int n)
{
	struct pollfd end = {.fd = r.fd, .events = POLLRDHUP};

	(void)n;
	poll(&end, 1, 2000);
}

static void call_exit(int n)
{
	exit(n);
}

static void call__exit(int n)
{
	_exit(n);
}

/* The rows of what needs no TLS. */
#define DEEDS_WITHOUT_TLS                                                                                    \
	{'C', 'd', 0, fd_close, "close"},                                                                    \
		{'D', 'd', 0, fd_go_on_by_copy, "dup, close the old number, go on with the new one"},        \
		{'W', 'd', SHUT_WR, fd_shutdown, "shutdown: 0 SHUT_RD, 1 SHUT_WR, 2 SHUT_RDWR"},             \
		{'d', 'd', 0, fd_replace, "dup2 of /dev/null over it"},                                      \
		{'L', 'd', 0, fd_abort, "SO_LINGER {1, N}"},                                                 \
		{'n', 'd', 1, nonblocking, "O_NONBLOCK on (1) or off (0)"},                                  \
		{'f', 'd', 0, flushed, "wait until the peer has acknowledged all"},                          \
		{'u', 'd', 1, unread, "wait until N bytes lie unread in the socket"},                        \
		{'e', 'd', 0, wait_end, "wait for the peer's FIN, two seconds at most"},                     \
		{'X', 0, 0, call_exit, "exit(N)"},                                                           \
	{                                                                                                    \
		'E', 0, 0, call__exit, "_exit(N)"                                                            \
	}

/* `lives`: whether there is a session. */
static void perform(const struct deed *deeds, const char *at, bool (*lives)(void))
{
	while (*at) {
		const struct deed *deed = deeds;
		char letter = *at++, *after;
		long n;

		while (deed->letter != letter)
			if (!(++deed)->letter)
				rude_fail("no such deed");
		n = strtol(at, &after, 10);
		if (after == at)
			n = deed->number;
		at = after;
		if ((deed->needs == 's' && !lives()) || (deed->needs == 'd' && r.fd < 0) ||
		    (letter != 'F' && deed->needs == 's' && r.fd < 0))
			continue;
		deed->perform((int)n);
	}
}

static void tell_deeds(const struct deed *deeds)
{
	puts("DEEDS  letters, a number after some; then it returns from main:\n");
	for (; deeds->letter; deeds++)
		printf("  %c  %s\n", deeds->letter, deeds->meaning);
}

#endif
