/* SPDX-License-Identifier: MIT
 * SSL_shutdown on a non-blocking socket whose buffer is full says WANT_WRITE; SSL_free, close nevertheless.
 *
 *     gave_up_want_write PORT TLS N [continued]    the peer goes on reading a little after SSL_shutdown has begun */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	int full = 0, status;
	pid_t carrier;

	r.fd = rude_unix(r.fd, &carrier); /* whose buffer has a sharp edge, TCP's has not */
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	kill(carrier, SIGSTOP);
	if (waitpid(carrier, &status, WUNTRACED) != carrier)
		rude_fail("SIGSTOP");
	rude_write(r.ssl, r.n);
	ioctl(r.fd, SIOCOUTQ, &full);
	full /= 2; /* the kernel doubles it */
	setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &full, sizeof(full));
	rude_nonblocking(r.fd);
	if (argc > 4 && fork() == 0) {
		usleep(100000);
		kill(carrier, SIGCONT);
		rude_vanish();
	}
	if (argc > 4)
		TELL(SSL_shutdown(r.ssl));
	else if (SSL_shutdown(r.ssl) != -1 || SSL_want(r.ssl) != SSL_WRITING)
		rude_fail("WANT_WRITE");
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	kill(carrier, SIGCONT);
	SSL_CTX_free(r.ctx);
	return 0;
}
