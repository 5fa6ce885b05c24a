/* SPDX-License-Identifier: MIT
 * exit() with a connection open. While the library looks at the socket, another thread closes it, by no function at all,
 * and a socketpair takes the number. Prints what has come out at the far end.
 *
 *     exit_reuse PORT TLS N */
#include "rude.h"

static struct rude r;
static pthread_barrier_t moment;
static bool exiting;
static int pair[2];

static void *replace(void *unused)
{
	pthread_barrier_wait(&moment);
	rude_raw(SYS_close, r.fd);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		rude_fail("socketpair");
	pthread_barrier_wait(&moment);
	return unused;
}

/* In the place of libc's. */
int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	if (exiting && level == SOL_SOCKET && name == SO_LINGER) {
		exiting = false;
		pthread_barrier_wait(&moment);
		pthread_barrier_wait(&moment);
	}
	return (int)syscall(SYS_getsockopt, fd, level, name, value, size);
}

static void tell(void)
{
	char bytes[4096];

	printf("number taken %d, foreign bytes %zd\n", pair[0] == r.fd,
	       recv(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT));
}

int main(int argc, char **argv)
{
	pthread_t thread;

	atexit(tell); /* the last to be called */
	pthread_barrier_init(&moment, NULL, 2);
	r = rude_meet(argc, argv);
	if (pthread_create(&thread, NULL, replace, NULL))
		rude_fail("pthread_create");
	exiting = true;
	exit(0);
}
