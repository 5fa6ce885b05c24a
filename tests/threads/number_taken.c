/* SPDX-License-Identifier: MIT
 * Closes a socket while another thread waits inside SSL_read; then puts descriptors of its own on every high number.
 * They stay its own when the thread comes back.
 *
 *     number_taken PORT TLS N
 */
#include "rude.h"

static struct rude r;
static _Atomic pid_t reader;

static void *read_on(void *unused)
{
	char byte;

	reader = gettid();
	SSL_read(r.ssl, &byte, 1);
	return unused;
}

static void wait_until_inside(void)
{
	char path[64], line[64], wanted[32];
	FILE *file;

	while (!reader)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", reader);
	snprintf(wanted, sizeof(wanted), "%d 0x%x ", SYS_read, (unsigned int)r.fd);
	do {
		file = fopen(path, "r");
		if (!file || !fgets(line, sizeof(line), file))
			rude_fail(path);
		fclose(file);
	} while (strncmp(line, wanted, strlen(wanted)));
}

int main(int argc, char **argv)
{
	int mine = 0;
	pthread_t thread;

	r = rude_meet(argc, argv);
	rude_flushed(r.fd);
	if (pthread_create(&thread, NULL, read_on, NULL))
		rude_fail("pthread_create");
	wait_until_inside();
	TELL(close(r.fd));
	for (int fd = 100; fd < 1024; fd++)
		if (dup2(0, fd) != fd)
			rude_fail("dup2");
	rude_now();
	pthread_join(thread, NULL);
	for (int fd = 100; fd < 1024; fd++)
		mine += fcntl(fd, F_GETFD) >= 0;
	printf("%d descriptors are there\n", mine);
	SSL_free(r.ssl);
	return 0;
}
