/* SPDX-License-Identifier: MIT
 * Processes as sshd has them: one accepts, one keeps the session and watches over a third, which speaks and ends it
 * properly. Then the monitor, which still has the socket, tidies up. */
#include "rude.h"

static void __attribute__((noreturn)) speak(struct rude *r)
{
	rude_write(r->ssl, r->n);
	while (SSL_shutdown(r->ssl) == 0) /* until the peer has answered: nothing stays unread */
		;
	SSL_free(r->ssl);
	close(r->fd);
	_exit(0);
}

static void __attribute__((noreturn)) watch(struct rude *r)
{
	pid_t speaker;

	r->ssl = rude_session(r);
	SSL_set_fd(r->ssl, r->fd);
	rude_shake_hands(r->ssl);
	speaker = fork();
	if (!speaker)
		speak(r);
	rude_wait_for(speaker);
	SSL_free(r->ssl);
	close(r->fd);
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
