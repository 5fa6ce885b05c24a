/* SPDX-License-Identifier: MIT
 * Threads that block all signals and make no TLS call close connections, as the listener of a server does.
 *
 *     blocks_signals PORT TLS N COUNT HOW
 *
 * plain: at once. deep: from below a large frame. after: when a handler has run on this stack, and is over. */
#include "rude.h"

#include <pthread.h>

static const char *how;
static volatile sig_atomic_t handled;

static void note(int signal)
{
	(void)signal;
	handled++;
}

static __attribute__((noinline)) int from_below(int fd)
{
	volatile char large[300000];

	large[0] = large[sizeof(large) - 1] = 1;
	return close(fd) + large[0] - 1;
}

static void *closes(void *argument)
{
	struct rude *one = argument;
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	if (!strcmp(how, "after")) {
		pthread_sigmask(SIG_SETMASK, &none, NULL);
		pthread_kill(pthread_self(), SIGUSR1);
	}
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	TELL(!strcmp(how, "deep") ? from_below(one->fd) : close(one->fd));
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 4 ? atoi(argv[4]) : 1;
	struct rude r = rude_arguments(argc, argv);
	pthread_t thread;

	how = argc > 5 ? argv[5] : "plain";
	signal(SIGUSR1, note);
	r.ctx = rude_context(&r);
	for (int i = 0; i < count; i++) {
		struct rude one = r;

		one.fd = rude_tcp(&one);
		one.ssl = rude_session(&one);
		SSL_set_fd(one.ssl, one.fd);
		rude_shake_hands(one.ssl);
		rude_write(one.ssl, one.n);
		pthread_create(&thread, NULL, closes, &one);
		pthread_join(thread, NULL);
		SSL_free(one.ssl);
	}
	printf("handled %d\n", (int)handled);
	return 0;
}
