/* SPDX-License-Identifier: MIT
 * A signal handler has run deeper on this stack and is over; where the kernel laid its frame is now a large buffer that nobody has
 * written to, below which the connection ends. SIGPIPE is blocked all the while. */
#include "../rude/rude.h"

static void nothing(int signal)
{
	(void)signal;
}

static __attribute__((noinline)) void deep(int more)
{
	volatile char room[4000];

	room[0] = (char)more;
	if (more)
		deep(more - 1);
	else
		raise(SIGALRM);
	room[1] = room[0];
}

static __attribute__((noinline)) void end(const struct rude *r)
{
	volatile char buffer[65536];

	buffer[0] = 1;
	TELL_VOID(SSL_free(r->ssl));
	TELL(close(r->fd));
	buffer[1] = buffer[0];
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	signal(SIGALRM, nothing);
	deep(8);
	end(&r);
	rude_vanish();
}
