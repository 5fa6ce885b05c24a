/* SPDX-License-Identifier: MIT
 * SSL_shutdown, then reads the whole answer, which RFC 8446 6.1 allows; SSL_free, close. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[16384];
	int got, sum = 0, all = 0;

	TELL(SSL_shutdown(r.ssl));
	while ((got = SSL_read(r.ssl, bytes, sizeof(bytes))) > 0) {
		all += got;
		for (int i = 0; i < got; i++)
			sum = (sum * 31 + bytes[i]) & 0xffffff;
	}
	printf("%d bytes, %x, then %d, SSL_get_error %d\n", all, sum, got, SSL_get_error(r.ssl, got));
	SSL_free(r.ssl);
	close(r.fd);
	SSL_CTX_free(r.ctx);
	return 0;
}
