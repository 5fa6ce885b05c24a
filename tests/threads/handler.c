/* SPDX-License-Identifier: MIT
 * A signal handler closes connections: one at each tick of a fast timer, whatever it interrupts. It sets the timer anew at its end:
 * where a handler takes longer than a tick, as under an emulator, and the signal is not blocked, there would be no end of them.
 *
 *     handler PORT TLS N COUNT WHAT
 *
 * malloc: it interrupts malloc and free. write: SSL_write on yet another connection. blocked: as malloc, but the thread
 * blocks the signal while it makes its TLS calls. altstack: as malloc, on a stack of its own. nodefer: as malloc, and
 * the signal is not blocked while it runs. siginfo: as nodefer, with SA_SIGINFO, for which the kernel lays another frame on i386.
 * Prints how often the handler itself came to malloc, which may have been in the middle of something. */
#include "rude.h"

#include <dlfcn.h>
#include <sys/time.h>

static struct rude r;
static volatile sig_atomic_t next_one, count, reentered, in_handler, in_malloc;
static int fds[4096];

/* The program's own malloc: it knows when it is entered a second time. */
void *malloc(size_t size)
{
	static void *(*real)(size_t);
	void *memory;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "malloc");
	reentered += in_handler;
	in_malloc++;
	memory = real(size);
	in_malloc--;
	return memory;
}

static void next_tick(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 200}, NULL);
}

static void tick(int signal)
{
	int error = errno;

	(void)signal;
	in_handler = 1;
	if (next_one < count)
		close(fds[next_one++]);
	in_handler = 0;
	if (next_one < count)
		next_tick();
	errno = error;
}

static void block_tick(int how)
{
	sigset_t ticks;

	sigemptyset(&ticks);
	sigaddset(&ticks, SIGALRM);
	pthread_sigmask(how, &ticks, NULL);
}

static void meet(struct rude *one)
{
	one->fd = rude_tcp(one);
	one->ssl = rude_session(one);
	SSL_set_fd(one->ssl, one->fd);
	rude_shake_hands(one->ssl);
	rude_write(one->ssl, one->n);
}

static void churn_memory(void)
{
	void *volatile blocks[64] = {0};

	for (int i = 0; i < 4096; i++) {
		free(blocks[i % 64]);
		blocks[i % 64] = malloc((size_t)(i * 37 % 9000));
	}
	for (int i = 0; i < 64; i++)
		free(blocks[i]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 5 ? argv[5] : "malloc";
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	static char stack[1 << 16];
	stack_t other_stack = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct rude other;

	if (!strcmp(what, "blocked"))
		block_tick(SIG_BLOCK);
	if (!strcmp(what, "altstack")) {
		sigaltstack(&other_stack, NULL);
		action.sa_flags |= SA_ONSTACK;
	}
	if (!strcmp(what, "nodefer"))
		action.sa_flags |= SA_NODEFER;
	if (!strcmp(what, "siginfo"))
		action.sa_flags |= SA_NODEFER | SA_SIGINFO;
	r = rude_arguments(argc, argv);
	r.ctx = rude_context(&r);
	count = argc > 4 ? atoi(argv[4]) : 100;
	for (int i = 0; i < count; i++) {
		struct rude one = r;

		meet(&one);
		fds[i] = one.fd;
	}
	other = r;
	meet(&other);
	block_tick(SIG_UNBLOCK);
	sigaction(SIGALRM, &action, NULL);
	next_tick();
	while (next_one < count) {
		if (!strcmp(what, "write"))
			rude_write(other.ssl, 100);
		else
			churn_memory();
	}
	close(other.fd);
	printf("malloc in the handler: %d\n", (int)reentered);
	return 0;
}
