/* SPDX-License-Identifier: MIT
 * Reads from one number and writes to another, both the same socket. An end in letters: F SSL_free, W and R close of the number
 * written to and read from, S SSL_shutdown; then it exits. FWR: proftpd. In a program with a second thread if N is below 5000.
 *
 *     set_rfd_wfd PORT TLS [N [LETTERS]] */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	const char *letters = argc > 4 ? argv[4] : "FWR";
	int read_fd = dup(r.fd);

	r.ssl = rude_session(&r);
	SSL_set_rfd(r.ssl, read_fd);
	SSL_set_wfd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	if (r.n < 5000)
		rude_has_threads();
	for (; *letters; letters++) {
		if (*letters == 'F')
			TELL_VOID(SSL_free(r.ssl));
		if (*letters == 'W')
			TELL(close(r.fd));
		if (*letters == 'R')
			TELL(close(read_fd));
		if (*letters == 'S')
			TELL(SSL_shutdown(r.ssl));
	}
	SSL_CTX_free(r.ctx);
	return 0;
}
