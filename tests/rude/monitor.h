/* SPDX-License-Identifier: MIT
 * Processes as sshd has them: one accepts, one keeps the session and watches over a third, which speaks. */
#ifndef MONITOR_H
#define MONITOR_H

#include "rude.h"

static void __attribute__((noreturn)) watch(struct rude *r, void speak(struct rude *))
{
	pid_t speaker;

	r->ssl = rude_session(r);
	SSL_set_fd(r->ssl, r->fd);
	rude_shake_hands(r->ssl);
	speaker = fork();
	if (!speaker) {
		speak(r);
		_exit(0);
	}
	rude_wait_for(speaker);
	SSL_free(r->ssl);
	close(r->fd);
	exit(0);
}

/* `speak` is the third process; this one has waited for the second when it comes back. */
static inline void under_monitor(struct rude r, void speak(struct rude *))
{
	pid_t monitor = fork();

	if (!monitor)
		watch(&r, speak);
	TELL(close(r.fd));
	rude_wait_for(monitor);
}

#endif
