/* SPDX-License-Identifier: MIT
 * Opens and closes COUNT connections while a timer interrupts every system call there is.
 *
 *     interrupted PORT TLS N COUNT WHAT
 *
 * ticks: the handler does nothing. closes: it closes the descriptor that the program is about to close, and takes the
 * number for a pipe; so it may come in the middle of the program's close. */
#include "rude.h"

#include <sys/time.h>

static volatile sig_atomic_t closes, current = -1, closed;

static void tick(int signal)
{
	int error = errno, ends[2];

	(void)signal;
	if (closes && current >= 0) {
		if (close(current) == 0)
			closed++;
		current = -1;
		if (pipe(ends) == 0) {
			close(ends[0]);
			close(ends[1]);
		}
	}
	errno = error;
}

static void one(struct rude *r)
{
	while (SSL_do_handshake(r->ssl) != 1)
		if (SSL_get_error(r->ssl, -1) != SSL_ERROR_WANT_READ)
			rude_fail("handshake");
	rude_write(r->ssl, r->n);
	current = r->fd;
	if (closes)
		for (volatile int spin = 0; spin < rand() % 20000; spin++)
			;
	if (close(r->fd) == 0)
		closed++;
	current = -1;
	SSL_free(r->ssl);
}

int main(int argc, char **argv)
{
	struct itimerval often = {.it_interval.tv_usec = 100, .it_value.tv_usec = 100}, never = {0};
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	struct rude r = rude_arguments(argc, argv);
	int count = argc > 4 ? atoi(argv[4]) : 100;

	r.ctx = rude_context(&r);
	closes = argc > 5 && !strcmp(argv[5], "closes");
	sigaction(SIGALRM, &action, NULL);
	for (int i = 0; i < count; i++) {
		r.fd = rude_tcp(&r);
		r.ssl = rude_session(&r);
		SSL_set_fd(r.ssl, r.fd);
		setitimer(ITIMER_REAL, &often, NULL);
		one(&r);
		setitimer(ITIMER_REAL, &never, NULL);
	}
	printf("closed %d\n", (int)closed);
	return 0;
}
