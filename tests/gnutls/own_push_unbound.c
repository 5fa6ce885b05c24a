/* SPDX-License-Identifier: MIT
 * Push and pull functions with a relay of the program's own behind them, which changes the bytes: no socket is found;
 * gnutls_deinit, close. */
#include "party.h"

static int other; /* what the relay reads from us */

static ssize_t push(gnutls_transport_ptr_t pointer, const void *bytes, size_t length)
{
	const unsigned char *from = bytes;

	(void)pointer;
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = from[i] ^ 0xff;

		if (write(other, &byte, 1) != 1)
			return -1;
	}
	return (ssize_t)length;
}

/* A child that turns them back. */
static pid_t relay(int from, int to)
{
	unsigned char bytes[16384];
	pid_t child = fork();
	ssize_t got;

	if (child)
		return child;
	close(other);
	while ((got = read(from, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < got; i++)
			bytes[i] ^= 0xff;
		if (send(to, bytes, (size_t)got, MSG_NOSIGNAL) != got)
			rude_fail("send");
	}
	shutdown(to, SHUT_WR);
	rude_vanish();
}

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	int ends[2];
	pid_t child;

	if (pipe(ends))
		rude_fail("pipe");
	other = ends[1];
	if (!(child = relay(ends[0], p.r.fd)))
		rude_fail("fork");
	party_session(&p);
	gnutls_transport_set_int(p.session, p.r.fd);
	gnutls_transport_set_push_function(p.session, push);
	p.r.n = p.r.n < 100 ? p.r.n : 100;
	party_speak(&p);
	close(other);
	rude_wait_for(child);
	return party_ends(&p);
}
