/* SPDX-License-Identifier: MIT
 * A server answers COUNT clients with N bytes each before it has read what they send, frees and closes, and exits at once. Its clients, this
 * program again without the library, read only then. They print how many heard all of it and close_notify.
 *
 *     many_early COUNT N */
#include "rude.h"

#include <sys/resource.h>

static int clients(struct rude *r, int count, int ready, int gone)
{
	SSL **ssl = calloc((size_t)count, sizeof(SSL *));
	int whole = 0, small = 4096;
	char bytes[16384];

	signal(SIGPIPE, SIG_IGN);
	r->ctx = rude_context(r);
	for (int i = 0; i < count; i++) {
		struct sockaddr_in address = {.sin_family = AF_INET,
					      .sin_port = htons((uint16_t)atoi(r->port))};
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
			rude_fail("connect");
		ssl[i] = rude_session(r);
		SSL_set_fd(ssl[i], fd);
		rude_shake_hands(ssl[i]);
	}
	if (write(ready, "r", 1) != 1 || read(gone, bytes, 1) != 0)
		rude_fail("pipe");
	for (int i = 0; i < count; i++)
		SSL_write(ssl[i], "more", 4);
	for (int i = 0; i < count; i++) {
		int got, sum = 0;

		while ((got = SSL_read(ssl[i], bytes, sizeof(bytes))) > 0)
			sum += got;
		whole += sum == r->n && SSL_get_error(ssl[i], got) == SSL_ERROR_ZERO_RETURN;
	}
	printf("whole %d\n", whole);
	fflush(stdout);
	rude_vanish();
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[1]) : 0, ready[2], gone[2],
	    listener = socket(AF_INET, SOCK_STREAM, 0);
	char port[16], ready_end[16], gone_end[16], byte;
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	SSL **ssl = calloc((size_t)count + 1, sizeof(SSL *));
	struct rude r = {.port = "0", .tls = "1.3", .server = true, .n = argc > 2 ? atoi(argv[2]) : 0};
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 6) {
		r.server = false;
		r.port = argv[3];
		return clients(&r, count, atoi(argv[4]), atoi(argv[5]));
	}
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1000) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) || pipe(ready) || pipe(gone))
		rude_fail("listen");
	snprintf(port, sizeof(port), "%d", ntohs(address.sin_port));
	snprintf(ready_end, sizeof(ready_end), "%d", ready[1]);
	snprintf(gone_end, sizeof(gone_end), "%d", gone[0]);
	if (fork() == 0) {
		close(listener);
		close(gone[1]);
		unsetenv("LD_PRELOAD");
		execl(argv[0], argv[0], argv[1], argv[2], port, ready_end, gone_end, (char *)NULL);
		rude_vanish();
	}
	close(ready[1]);
	r.ctx = rude_context(&r);
	for (int i = 0; i < count; i++) {
		ssl[i] = rude_session(&r);
		SSL_set_fd(ssl[i], accept(listener, NULL, NULL));
		rude_shake_hands(ssl[i]);
	}
	if (read(ready[0], &byte, 1) != 1)
		rude_fail("clients");
	for (int i = 0; i < count; i++)
		rude_write(ssl[i], r.n);
	for (int i = 0; i < count; i++) {
		int fd = SSL_get_fd(ssl[i]);

		SSL_free(ssl[i]);
		close(fd);
	}
	return 0; /* and with it gone[1] is closed */
}
