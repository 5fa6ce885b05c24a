/* SPDX-License-Identifier: MIT
 * The descriptor is sent to another process, which still holds it; here SSL_free, close. SEND_MESSAGE: by which call. */
/* SCM_RIGHTS. */
static void hand_over(int line, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.align = {.cmsg_len = CMSG_LEN(sizeof(int)),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS}};
	struct iovec word = {.iov_base = "x", .iov_len = 1};
	struct msghdr message = {.msg_iov = &word,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	if (SEND_MESSAGE(line, &message, 0) != 1)
		rude_fail("sendmsg");
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	int line[2];
	char byte;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, line) || (child = fork()) < 0)
		rude_fail("fork");
	if (!child) { /* holds what it is sent, unread, until the other end has closed */
		close(r.fd);
		close(line[1]);
		while (poll(&(struct pollfd){.fd = line[0], .events = POLLRDHUP}, 1, -1) != 1)
			;
		rude_vanish();
	}
	close(line[0]);
	rude_speak(&r);
	hand_over(line[1], r.fd);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	if (recv(line[1], &byte, 1, MSG_DONTWAIT) >= 0)
		rude_fail("the other is gone");
	close(line[1]);
	rude_wait_for(child);
	SSL_CTX_free(r.ctx);
	return 0;
}
