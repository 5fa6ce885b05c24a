/* SPDX-License-Identifier: MIT
 * How long one close() or SSL_free() can take in a program with an event loop: COUNT connections in an epoll set, all with
 * unread input, three of four with a peer that has stalled and bytes that it has not taken; one of four has a send buffer
 * without room for an alert. Last, for comparison, what it takes at least to hand a socket over to a thread that has a
 * descriptor table of its own, with no descriptor left behind: a socket, a message with a descriptor, a close.
 *
 *     close_latency COUNT */
#include "bench.h"

#include <sys/epoll.h>
#include <sys/un.h>

static const char block[1 << 16];

/* Until the kernel takes no byte more; what it takes is no TLS, but nobody reads it. */
static void fill(int fd)
{
	while (send(fd, block, sizeof(block), MSG_DONTWAIT) > 0 || send(fd, block, 1, MSG_DONTWAIT) > 0)
		;
}

static void report(const char *call, double *samples, size_t count)
{
	printf("%s median %.0f\n", call, quantile(samples, count, 0.5));
	printf("%s p99 %.0f\n", call, quantile(samples, count, 0.99));
	printf("%s max %.0f\n", call, quantile(samples, count, 1));
}

static void hand_over(int fd, double *samples, size_t count)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.room = {0}};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(name);
	char word = 0;
	struct iovec part = {.iov_base = &word, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room};
	int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (bind(receiver, (struct sockaddr *)&name, sizeof(sa_family_t)) ||
	    getsockname(receiver, (struct sockaddr *)&name, &size))
		rude_fail("bind");
	for (size_t i = 0; i < count; i++) {
		double start = now_ns();
		int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), got;

		message.msg_name = &name;
		message.msg_namelen = size;
		message.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&message) = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof(fd));
		if (sendmsg(out, &message, MSG_DONTWAIT) != 1)
			rude_fail("sendmsg");
		close(out);
		samples[i] = now_ns() - start;
		if (recvmsg(receiver, &message, 0) != 1)
			rude_fail("recvmsg");
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
		close(got);
	}
	close(receiver);
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? (size_t)atoi(argv[1]) : 1000;
	double *closes = calloc(count, sizeof(*closes)), *frees = calloc(count, sizeof(*frees));
	SSL **ssl = calloc(count, sizeof(SSL *));
	int *fd = calloc(count, sizeof(int)), port, poller = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	SSL_CTX *ctx;

	peer_begins(argv);
	raise_limit();
	port = start_peer((int)count, false);
	ctx = cheap_context(false);
	for (size_t i = 0; i < count; i++) {
		ssl[i] = meet(ctx, port, i % 4 ? 20000 : 100, &fd[i]);
		rude_nonblocking(fd[i]);
		event.data.fd = fd[i];
		epoll_ctl(poller, EPOLL_CTL_ADD, fd[i], &event);
		if (i % 4 == 3) {
			int small = 4608;

			setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
			fill(fd[i]);
		}
	}
	/* The one order and the other by turns. */
	for (size_t i = 0; i < count; i++) {
		double start = now_ns(), middle;

		if (i / 4 % 2)
			SSL_free(ssl[i]);
		else
			close(fd[i]);
		middle = now_ns();
		if (i / 4 % 2)
			close(fd[i]);
		else
			SSL_free(ssl[i]);
		closes[i] = i / 4 % 2 ? now_ns() - middle : middle - start;
		frees[i] = i / 4 % 2 ? middle - start : now_ns() - middle;
	}
	report("close", closes, count);
	report("SSL_free", frees, count);
	hand_over(poller, closes, count);
	report("hand_over", closes, count);
	fflush(stdout);
	rude_vanish(); /* nothing is owed to a peer that reads nothing */
}
