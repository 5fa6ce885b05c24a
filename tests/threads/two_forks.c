/* SPDX-License-Identifier: MIT
 * COUNT connections, each N bytes. Two threads fork at the same instant. One child ends at once; then the program ends all
 * connections, and the other child, which has waited for that, writes N more bytes on each.
 *
 *     two_forks PORT TLS N COUNT */
#include "rude.h"

#include <stdatomic.h>

static atomic_int ready; /* no barrier: who sleeps in one comes late */
static struct rude r;
static SSL **sessions;
static int count, told[2];
static pid_t children[2];

static void speak_on(void)
{
	char byte;

	close(told[1]);
	if (read(told[0], &byte, 1)) /* the end: the program has let go */
		rude_fail("read");
	for (int i = 0; i < count; i++)
		rude_write(sessions[i], r.n);
	rude_vanish();
}

static void *forks(void *argument)
{
	pid_t *child = argument;

	for (atomic_fetch_add(&ready, 1); atomic_load(&ready) < 2;)
		;
	*child = fork();
	if (*child < 0)
		rude_fail("fork");
	if (!*child && child == &children[0])
		speak_on();
	if (!*child)
		rude_vanish();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[2];

	r = rude_arguments(argc, argv);
	r.ctx = rude_context(&r);
	count = argc > 4 ? atoi(argv[4]) : 1;
	sessions = calloc((size_t)count, sizeof(SSL *));
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < count; i++) {
		r.fd = rude_tcp(&r);
		rude_speak(&r);
		sessions[i] = r.ssl;
	}
	if (pipe(told))
		rude_fail("pipe");
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, forks, &children[i]))
			rude_fail("pthread_create");
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	rude_wait_for(children[1]);
	for (int i = 0; i < count; i++) {
		int fd = SSL_get_fd(sessions[i]);

		SSL_free(sessions[i]);
		close(fd);
	}
	close(told[1]);
	rude_wait_for(children[0]);
	return 0;
}
