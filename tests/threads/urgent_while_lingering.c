/* SPDX-License-Identifier: MIT
 * The program owns its socket's signals (F_SETOWN) and closes; then the peer, a child that carries the bytes to the judge, sends urgent
 * data, and more is carried. Prints how many SIGURG came.
 *
 *     urgent_while_lingering PORT TLS N */
#include "rude.h"

static volatile sig_atomic_t urgent;

static void count(int signal)
{
	(void)signal;
	urgent++;
}

/* Until the program has closed it carries the handshake alone, so that bytes are left. */
static void carry(int near, int wire, int closed)
{
	char bytes[16384];
	struct pollfd ends[3] = {{.fd = near, .events = POLLIN},
				 {.fd = wire, .events = POLLIN},
				 {.fd = closed, .events = POLLIN}};

	while (poll(ends, 3, -1) > 0 && !ends[2].revents) {
		if (ends[1].revents && !rude_carry(wire, near))
			ends[1].fd = -1;
		if (ends[0].revents && recv(near, bytes, sizeof(bytes), MSG_PEEK) < (ssize_t)sizeof(bytes))
			rude_carry(near, wire);
		else if (ends[0].revents)
			ends[0].fd = -1;
	}
	send(near, "!", 1, MSG_OOB | MSG_NOSIGNAL);
	while (rude_carry(near, wire))
		;
	rude_vanish();
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
	signal(SIGURG, count);
	if (connect(r.fd, (struct sockaddr *)&address, size) || fcntl(r.fd, F_SETOWN, getpid()))
		rude_fail("connect");
	r.ctx = rude_context(&r);
	rude_speak(&r);
	TELL(close(r.fd));
	close(closed[1]);
	rude_wait_for(peer); /* the urgent byte is acknowledged with what it carries */
	printf("SIGURG %d\n", (int)urgent);
	return 0;
}
