/* SPDX-License-Identifier: MIT
 * A child hands the socket over by SCM_RIGHTS, to one that nobody knows of, and ends; then SSL_free, close. */
#include "rude.h"

static void hand_over(int channel, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.room = {0}};
	struct iovec part = {.iov_base = "", .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.room,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(channel, &message, 0) != 1)
		rude_fail("sendmsg");
}

int main(int argc, char **argv)
{
	struct rude r;
	int channel[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, channel)) /* in it the socket waits for the third */
		rude_fail("socketpair");
	r = rude_meet(argc, argv);
	child = fork();
	if (!child) {
		hand_over(channel[0], r.fd);
		rude_vanish();
	}
	rude_wait_for(child);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	rude_vanish();
}
