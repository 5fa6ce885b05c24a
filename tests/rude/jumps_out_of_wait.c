/* SPDX-License-Identifier: MIT
 * SSL_shutdown, and once more to wait for the peer's; a time limit that jumps out of that; close. What a handler of the
 * program's would meet meanwhile, and what the jump leaves behind. */
#include "rude.h"

#include <setjmp.h>
#include <sys/time.h>

static struct rude r;
static jmp_buf out; /* without the signal mask, as perl's */

static int blocks_pipe(void)
{
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	return sigismember(&mask, SIGPIPE);
}

static void jump(int signal)
{
	TELL(blocks_pipe());
	longjmp(out, signal);
}

static void wait_for_peer(void)
{
	struct itimerval soon = {.it_value.tv_usec = 50000};

	setitimer(ITIMER_REAL, &soon, NULL);
	TELL(SSL_shutdown(r.ssl));
	setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL); /* the peer has answered in time */
}

int main(int argc, char **argv)
{
	r = rude_meet(argc, argv);
	signal(SIGALRM, jump);
	TELL(SSL_shutdown(r.ssl));
	if (!setjmp(out))
		wait_for_peer();
	TELL(blocks_pipe());
	TELL(close(r.fd));
	SSL_free(r.ssl);
	SSL_CTX_free(r.ctx);
	return 0;
}
