/* SPDX-License-Identifier: MIT
 * A child has the socket no longer, and while the library looks through its descriptors another thread forks. Prints how many
 * directories are open in the child of that: the program has opened none.
 *
 *     forks_while_asked PORT TLS N */
#include "rude.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

static pthread_barrier_t moment;
static bool asked;
static int strangers;

static int directories(void)
{
	struct stat status;
	int found = 0;

	for (int fd = 3; fd < 1024; fd++)
		found += !fstat(fd, &status) && S_ISDIR(status.st_mode);
	return found;
}

static void *forks(void *unused)
{
	pid_t child;

	pthread_barrier_wait(&moment);
	child = fork();
	if (!child)
		rude_raw(SYS_exit_group, directories());
	if (child < 0 || waitpid(child, &strangers, 0) != child)
		rude_fail("fork");
	pthread_barrier_wait(&moment);
	return unused;
}

/* In the place of libc's. The library reads the links of a directory only where it looks through another's descriptors. */
ssize_t readlinkat(int directory, const char *path, char *buffer, size_t size)
{
	static ssize_t (*real)(int, const char *, char *, size_t);

	*(void **)&real = dlsym(RTLD_NEXT, "readlinkat");
	if (directory != AT_FDCWD && !asked) {
		asked = true;
		pthread_barrier_wait(&moment);
		pthread_barrier_wait(&moment);
	}
	return real(directory, path, buffer, size);
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pthread_t thread;
	int closed[2];
	pid_t child;
	char byte;

	pthread_barrier_init(&moment, NULL, 2);
	if (pipe(closed))
		rude_fail("pipe");
	child = fork();
	if (!child) {
		rude_raw(SYS_close, r.fd);
		if (write(closed[1], "", 1) != 1)
			rude_fail("write");
		pause();
	}
	if (read(closed[0], &byte, 1) != 1 || pthread_create(&thread, NULL, forks, NULL))
		rude_fail("read");
	close(r.fd);
	if (asked)
		pthread_join(thread, NULL);
	printf("asked %d, strangers %d\n", asked, WEXITSTATUS(strangers));
	kill(child, SIGKILL);
	rude_vanish();
}
