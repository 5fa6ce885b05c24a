/* SPDX-License-Identifier: MIT
 * A thread leaves SSL_read without returning from it; then the program closes, and lives on.
 *
 *     abandoned_call PORT TLS N HOW
 *
 * cancel: pthread_cancel. longjmp: out of a signal handler, as programs do that know no other time limit. again: as
 * longjmp, then SSL_free and a second connection, which is ended as it should be. */
#include "thread_in_read.h"

#include <setjmp.h>

static struct rude r;
static sigjmp_buf out;

static void cancel(void)
{
	pthread_t thread = read_in_thread(&r);

	pthread_cancel(thread);
	pthread_join(thread, NULL);
}

static void jump(int signal)
{
	siglongjmp(out, signal);
}

static void *interrupt(void *thread)
{
	wait_until_inside(SYS_read, r.fd);
	pthread_kill(*(pthread_t *)thread, SIGALRM);
	return NULL;
}

static void time_out(void)
{
	pthread_t self = pthread_self(), other;

	signal(SIGALRM, jump);
	if (pthread_create(&other, NULL, interrupt, &self))
		rude_fail("pthread_create");
	if (sigsetjmp(out, 1) == 0)
		read_on(r.ssl);
	pthread_join(other, NULL);
}

int main(int argc, char **argv)
{
	const char *how = argc > 4 ? argv[4] : "cancel";
	struct pollfd end;

	r = rude_meet(argc, argv);
	if (!strcmp(how, "cancel"))
		cancel();
	else
		time_out();
	TELL(close(r.fd));
	if (!strcmp(how, "again")) {
		SSL_free(r.ssl);
		r.fd = rude_tcp(&r);
		r.ssl = rude_session(&r);
		SSL_set_fd(r.ssl, r.fd);
		rude_shake_hands(r.ssl);
		rude_write(r.ssl, r.n);
		TELL(close(r.fd));
	}
	/* Until the peer, which has a time limit, has seen the end: standard input is a pipe that it holds. */
	end = (struct pollfd){.fd = 0, .events = POLLIN};
	poll(&end, 1, 600000);
	rude_vanish();
}
