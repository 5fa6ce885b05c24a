/* SPDX-License-Identifier: MIT
 * A server closes with N bytes unread. As soon as somebody connects to a unix socket, as the library does to hand a connection
 * to its background, another thread forks; the child tells whether it has that socket, of which the program knows nothing.
 *
 *     forks_in_hand_over PORT TLS N */
#include "rude.h"

#include <dlfcn.h>
#include <semaphore.h>

static sem_t connected, forked;
static int hand_over = -1, inherited;

static void *forks(void *unused)
{
	pid_t child;
	int status;

	while (sem_wait(&connected))
		;
	child = fork();
	if (child == 0)
		rude_raw(SYS_exit_group, fcntl(hand_over, F_GETFD) >= 0);
	sem_post(&forked);
	if (child < 0 || waitpid(child, &status, 0) != child)
		rude_fail("fork");
	inherited = WEXITSTATUS(status);
	return unused;
}

/* The program's own comes before libc's. */
int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t size)
{
	__typeof__(&connect) real;
	int ret;

	*(void **)&real = dlsym(RTLD_NEXT, "connect");
	ret = real(fd, to, size);
	if (to.__sockaddr__->sa_family == AF_UNIX && hand_over < 0) {
		hand_over = fd;
		sem_post(&connected);
		while (sem_wait(&forked))
			;
	}
	return ret;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pthread_t forker;

	for (int unread = 0; unread < r.n; sched_yield())
		if (ioctl(r.fd, FIONREAD, &unread))
			rude_fail("FIONREAD");
	if (sem_init(&connected, 0, 0) || sem_init(&forked, 0, 0) ||
	    pthread_create(&forker, NULL, forks, NULL))
		rude_fail("pthread_create");
	close(r.fd);
	SSL_free(r.ssl);
	if (hand_over >= 0)
		pthread_join(forker, NULL);
	printf("hand-overs %d, inherited %d\n", hand_over >= 0, inherited);
	return 0;
}
