/* SPDX-License-Identifier: MIT
 * Fills a socket until SSL_write of SIZE bytes says WANT_WRITE, and then only closes.
 *
 *     half_write PORT TLS SIZE
 *
 * Prints how many bytes SSL_write has taken before. All are a to z, over and over. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	char *letters = malloc((size_t)r.n + 26);
	int small = 8192, taken = 0, put;

	for (int i = 0; i < r.n + 26; i++)
		letters[i] = (char)('a' + i % 26);
	setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_nonblocking(r.fd);
	while ((put = SSL_write(r.ssl, letters + taken % 26, r.n)) > 0)
		taken += put;
	if (SSL_want(r.ssl) != SSL_WRITING)
		rude_fail("WANT_WRITE");
	printf("%d\n", taken);
	close(r.fd);
	return 0;
}
