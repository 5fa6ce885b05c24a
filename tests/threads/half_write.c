/* SPDX-License-Identifier: MIT
 * Fills a socket until SSL_write of SIZE bytes says WANT_WRITE, and then only ends.
 *
 *     half_write PORT TLS SIZE [HOW [SNDBUF [alone|shrunk [alone]]]]
 *
 * Prints how many bytes SSL_write has taken before. All are a to z, over and over. HOW: close, free_close, or free_wait_close,
 * which closes once the socket takes more. SNDBUF: 212992 is the most that the library would make of it. alone: without the
 * right to more than that, and lives until no other thread does. shrunk: the full buffer gets half that size. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	const char *how = argc > 4 ? argv[4] : "close";
	char *letters = malloc((size_t)r.n + 26);
	int size = argc > 5 ? atoi(argv[5]) : 8192, taken = 0, put;
	bool alone = argc > 6 && !strcmp(argv[argc - 1], "alone"),
	     shrunk = argc > 6 && strcmp(argv[6], "alone");

	if (alone)
		rude_net_admin(false);
	for (int i = 0; i < r.n + 26; i++)
		letters[i] = (char)('a' + i % 26);
	setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_nonblocking(r.fd);
	while ((put = SSL_write(r.ssl, letters + taken % 26, r.n)) > 0)
		taken += put;
	if (SSL_want(r.ssl) != SSL_WRITING)
		rude_fail("WANT_WRITE");
	size /= 2;
	if (shrunk && setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
		rude_fail("SO_SNDBUF");
	printf("%d\n", taken);
	if (!strncmp(how, "free", 4))
		SSL_free(r.ssl);
	if (!strcmp(how, "free_wait_close"))
		poll(&(struct pollfd){.fd = r.fd, .events = POLLOUT}, 1, -1);
	close(r.fd);
	if (alone)
		rude_alone();
	return 0;
}
