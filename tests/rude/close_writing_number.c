/* SPDX-License-Identifier: MIT
 * Reads from one number and writes to another, both the same socket; closes the one it writes to, still reads
 * N bytes from the other, closes that too, SSL_free. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	int read_fd = dup(r.fd), got = 0, all = 0;
	char bytes[4096];

	r.ssl = rude_session(&r);
	SSL_set_rfd(r.ssl, read_fd);
	SSL_set_wfd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	for (int waiting = 0; waiting < r.n; sched_yield())
		ioctl(r.fd, FIONREAD, &waiting); /* all that the judge has to say is there */
	TELL(close(r.fd));
	for (; all < r.n && (got = SSL_read(r.ssl, bytes, sizeof(bytes))) > 0; all += got)
		;
	printf("read %d\n", all);
	TELL(close(read_fd));
	TELL_VOID(SSL_free(r.ssl));
	SSL_CTX_free(r.ctx);
	return 0;
}
