/* SPDX-License-Identifier: MIT
 * No TLS: threads, a child, descriptors, a handler, functions that are to be run at exit. For libcs that the library was not made
 * for. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void at_end(void)
{
	puts("at exit");
}

static void handle(int signal)
{
	(void)signal;
}

static void *run(void *unused)
{
	return unused;
}

int main(void)
{
	pthread_t thread;
	int pair[2], status = 0;
	pid_t child;
	FILE *file;

	atexit(at_end);
	signal(SIGUSR1, handle);
	raise(SIGUSR1);
	if (pthread_create(&thread, NULL, run, NULL) || pthread_join(thread, NULL) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 99;
	if (write(pair[0], "x", 1) != 1 || shutdown(pair[0], SHUT_WR) || dup2(pair[0], 9) != 9 || close(9) ||
	    fcntl(pair[1], F_DUPFD, 20) != 20 || close(20) || close(pair[0]) || close(pair[1]))
		return 98;
	file = fopen("/dev/null", "w");
	if (!file || fclose(file))
		return 97;
	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(7);
	if (waitpid(child, &status, 0) != child)
		return 96;
	printf("child %d\n", WEXITSTATUS(status));
	return 0;
}
