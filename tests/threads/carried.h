/* SPDX-License-Identifier: MIT
 * The program's peer is a child that carries the bytes to the judge. Until the program has closed it carries the handshake alone, so
 * that what follows is left in its receive queue; then it says something of its own, and carries the rest. */
#ifndef CARRIED_H
#define CARRIED_H

#include "rude.h"

struct carried {
	ssize_t handshake; /* what comes in pieces below this size is still the handshake */
	const char *word;  /* what the peer sends once the program has closed */
	int flags;         /* of that send() */
	pid_t peer;
	int closed[2];
};

static void __attribute__((noreturn)) carry(const struct carried *c, int near, int wire)
{
	char bytes[16384];
	struct pollfd ends[3] = {{.fd = near, .events = POLLIN},
				 {.fd = wire, .events = POLLIN},
				 {.fd = c->closed[0], .events = POLLIN}};

	while (poll(ends, 3, -1) > 0 && !ends[2].revents) {
		if (ends[1].revents && !rude_carry(wire, near))
			ends[1].fd = -1;
		if (ends[0].revents && recv(near, bytes, sizeof(bytes), MSG_PEEK) < c->handshake)
			rude_carry(near, wire);
		else if (ends[0].revents)
			ends[0].fd = -1;
	}
	send(near, c->word, strlen(c->word), c->flags | MSG_NOSIGNAL);
	while (rude_carry(near, wire))
		;
	rude_vanish();
}

/* Connects the program to its peer, and that to the judge. */
static void carried_begins(struct rude *r, struct carried *c)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int wire = rude_tcp(r), listener = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) || pipe(c->closed) ||
	    (c->peer = fork()) < 0)
		rude_fail("listen");
	if (c->peer == 0) {
		close(c->closed[1]);
		carry(c, accept(listener, NULL, NULL), wire);
	}
	close(wire);
	r->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(r->fd, (struct sockaddr *)&address, size))
		rude_fail("connect");
}

/* The program has closed; returns when the peer has carried all. */
static void carried_over(const struct carried *c)
{
	close(c->closed[1]);
	rude_wait_for(c->peer);
}

#endif
