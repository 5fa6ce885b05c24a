/* SPDX-License-Identifier: MIT
 * SIGUSR1 comes in the middle of close(), and its handler jumps out of that, as old programs do to give up on a call. Then
 * another thread ends the process.
 *
 *     jumps_out_of_close PORT TLS N */
#include "rude.h"

#include <setjmp.h>

static sigjmp_buf before;

static void jump(int signal)
{
	(void)signal;
	siglongjmp(before, 1);
}

static void *leave(void *unused)
{
	(void)unused;
	exit(0);
}

static void close_and_jump(int fd)
{
	if (!sigsetjmp(before, 1))
		close(fd);
	else
		printf("jumped\n");
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pthread_t thread;

	signal(SIGUSR1, jump);
	close_and_jump(r.fd);
	if (pthread_create(&thread, NULL, leave, NULL))
		rude_fail("pthread_create");
	pthread_join(thread, NULL);
	return 1;
}
