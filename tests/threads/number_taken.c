/* SPDX-License-Identifier: MIT
 * Closes a socket while another thread waits inside SSL_read; then puts descriptors of its own on every high number.
 * They stay its own when the thread comes back.
 *
 *     number_taken PORT TLS N
 */
#include "thread_in_read.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	pthread_t thread;
	int mine = 0;

	rude_flushed(r.fd);
	thread = read_in_thread(&r);
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
