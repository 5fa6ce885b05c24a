/* SPDX-License-Identifier: MIT
 * Processes as sshd has them, but the one that keeps the session closes its copy of the socket before the one that
 * speaks only closes. */
#include "rude.h"

static void __attribute__((noreturn)) speak(struct rude *r, int let_go)
{
	char byte;

	if (read(let_go, &byte, 1)) /* until the monitor has closed */
		rude_fail("read");
	rude_write(r->ssl, r->n);
	SSL_free(r->ssl);
	close(r->fd);
	_exit(0);
}

static void __attribute__((noreturn)) watch(struct rude *r)
{
	pid_t speaker;
	int ends[2];

	r->ssl = rude_session(r);
	SSL_set_fd(r->ssl, r->fd);
	rude_shake_hands(r->ssl);
	if (pipe(ends))
		rude_fail("pipe");
	speaker = fork();
	if (!speaker) {
		close(ends[1]);
		speak(r, ends[0]);
	}
	close(r->fd);
	close(ends[1]);
	rude_wait_for(speaker);
	SSL_free(r->ssl);
	exit(0);
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	pid_t monitor = fork();

	if (!monitor)
		watch(&r);
	TELL(close(r.fd));
	rude_wait_for(monitor);
	return 0;
}
