/* SPDX-License-Identifier: MIT
 * COUNT connections one after the other, each N bytes, SSL_free, close; all the while another thread forks. Prints how many of its
 * children have a descriptor that the program does not know of.
 *
 *     forks_meanwhile PORT TLS N COUNT */
#include "rude.h"

#include <stdatomic.h>

#define LOW  64 /* the program's own are below */
#define HIGH 1024

static atomic_bool over;
static bool known[HIGH]; /* from whoever started us */

static void *forks(void *unused)
{
	int strangers = 0;

	while (!atomic_load(&over)) {
		pid_t child = fork();
		int status, found = 0;

		for (int fd = LOW; child == 0 && fd < HIGH; fd++)
			found |= !known[fd] && fcntl(fd, F_GETFD) >= 0;
		if (child == 0)
			rude_raw(SYS_exit_group, found);
		if (child < 0 || waitpid(child, &status, 0) != child)
			rude_fail("fork");
		strangers += WEXITSTATUS(status) != 0;
	}
	printf("strangers %d\n", strangers);
	return unused;
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	pthread_t forker;

	r.ctx = rude_context(&r);
	for (int fd = LOW; fd < HIGH; fd++)
		known[fd] = fcntl(fd, F_GETFD) >= 0;
	if (pthread_create(&forker, NULL, forks, NULL))
		rude_fail("pthread_create");
	for (int i = argc > 4 ? atoi(argv[4]) : 1; i > 0; i--) {
		r.fd = rude_tcp(&r);
		rude_speak(&r);
		SSL_free(r.ssl);
		close(r.fd);
	}
	atomic_store(&over, true);
	pthread_join(forker, NULL);
	return 0;
}
