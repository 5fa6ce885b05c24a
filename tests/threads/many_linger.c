/* SPDX-License-Identifier: MIT
 * Opens COUNT connections at once, writes N bytes to each, closes them one after the other, and lives on until
 * it has as many threads and descriptors as before; or is killed or becomes another program at once.
 *
 *     many_linger PORT TLS N COUNT [killed|exec]
 */
#include "rude.h"

#include <dirent.h>
#include <sys/resource.h>

static int entries(const char *path)
{
	DIR *directory = opendir(path);
	int count = 0;

	if (!directory)
		rude_fail(path);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static void meet(struct rude *r, SSL **ssl, int *fd)
{
	*fd = rude_tcp(r);
	*ssl = rude_session(r);
	SSL_set_fd(*ssl, *fd);
	rude_shake_hands(*ssl);
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	int count = argc > 4 ? atoi(argv[4]) : 1, threads, descriptors, most = 0;
	SSL **ssl = calloc((size_t)count, sizeof(*ssl));
	int *fd = calloc((size_t)count, sizeof(*fd));
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	r.ctx = rude_context(&r);
	threads = entries("/proc/self/task");
	descriptors = entries("/proc/self/fd");
	for (int i = 0; i < count; i++)
		meet(&r, &ssl[i], &fd[i]);
	for (int i = 0; i < count; i++)
		rude_write(ssl[i], r.n);
	for (int i = 0; i < count; i++)
		close(fd[i]);
	if (argc > 5 && !strcmp(argv[5], "killed"))
		kill(getpid(), SIGKILL);
	if (argc > 5)
		execl("/bin/true", "true", NULL);
	printf("descriptors %d\n", entries("/proc/self/fd") - descriptors);
	do {
		int now = entries("/proc/self/task") - threads;

		most = now > most ? now : most;
		usleep(1000);
	} while (entries("/proc/self/task") > threads);
	printf("threads %d\n", most);
	rude_vanish(); /* nothing is left that exit could wait for */
}
