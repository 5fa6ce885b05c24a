/* SPDX-License-Identifier: MIT
 * SSL_shutdown waits because the peer does not read, and a signal handler jumps out of it, as old programs do. Then the
 * descriptor's number is a pipe's, and a socket's whose peer has gone: write() there raises SIGPIPE.
 *
 *     jumps_out_of_shutdown [open]
 *
 * Be one's own peer. open: the descriptor stays, and only its peer goes. */
#include "rude.h"

#include <linux/tcp.h>
#include <setjmp.h>

static sigjmp_buf before;
static volatile sig_atomic_t pipes;

static void jump(int signal)
{
	(void)signal;
	siglongjmp(before, 1);
}

static void count(int signal)
{
	(void)signal;
	pipes++;
}

/* Reads the handshake and one write, and no more. When its parent sleeps after `ready`, the signal. */
static void be_peer(struct rude *r, int ready)
{
	char path[64], status[512] = "", byte, *state;
	int fd;

	r->ctx = rude_context(r);
	r->ssl = rude_session(r);
	SSL_set_fd(r->ssl, r->fd);
	rude_shake_hands(r->ssl);
	if (SSL_read(r->ssl, &byte, 1) != 1 || read(ready, &byte, 1) != 1)
		rude_fail("peer");
	snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
	do {
		fd = open(path, O_RDONLY);
		if (read(fd, status, sizeof(status) - 1) <= 0)
			rude_fail(path);
		close(fd);
		state = strrchr(status, ')') + 2;
	} while (*state != 'S');
	kill(getppid(), SIGUSR1);
	pause();
}

/* Until the peer's window is shut, and the socket is full. */
static void fill(int fd)
{
	static const char junk[4096];
	struct tcp_info info;
	socklen_t size = sizeof(info);

	do {
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
			rude_fail("TCP_INFO");
	} while (send(fd, junk, sizeof(junk), MSG_DONTWAIT) > 0 || info.tcpi_unacked);
}

static void meet(struct rude *r, pid_t *peer, int ready[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), small = 4096;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) || pipe(ready))
		rude_fail("listen");
	*peer = fork();
	if (*peer == 0) {
		close(listener);
		r->fd = socket(AF_INET, SOCK_STREAM, 0);
		if (setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) ||
		    connect(r->fd, (struct sockaddr *)&address, size))
			rude_fail("connect");
		be_peer(r, ready[0]);
	}
	r->fd = accept(listener, NULL, NULL);
	close(listener);
	r->server = true;
	r->ctx = rude_context(r);
	r->ssl = rude_session(r);
	SSL_set_fd(r->ssl, r->fd);
	rude_shake_hands(r->ssl);
	rude_write(r->ssl, 1);
}

static void give_up(struct rude *r, int ready)
{
	fill(r->fd);
	if (!sigsetjmp(before, 1)) {
		if (write(ready, "", 1) != 1)
			rude_fail("write");
		SSL_shutdown(r->ssl);
		printf("it did not wait\n");
	} else {
		printf("jumped\n");
	}
}

int main(int argc, char **argv)
{
	bool open = argc > 1 && !strcmp(argv[1], "open");
	struct rude r = {.tls = "1.3"};
	int ready[2], ends[2];
	pid_t peer;
	long put;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGUSR1, jump);
	signal(SIGPIPE, count);
	meet(&r, &peer, ready);
	give_up(&r, ready[1]);
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	if (!open) {
		close(r.fd);
		if (pipe(ends) || dup2(ends[1], r.fd) < 0)
			rude_fail("pipe");
		put = write(r.fd, "x", 1);
		rude_tell("write to a pipe", put);
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || dup2(ends[0], r.fd) < 0)
			rude_fail("socketpair");
		close(ends[1]);
	} else {
		while (send(r.fd, "x", 1, MSG_NOSIGNAL) > 0 || errno != EPIPE)
			;
	}
	put = write(r.fd, "x", 1);
	rude_tell("write to none", put);
	printf("SIGPIPE %d\n", (int)pipes);
	return 0;
}
