/* SPDX-License-Identifier: MIT
 * SSL_shutdown on a non-blocking socket whose buffer is full says WANT_WRITE; SSL_free, close nevertheless.
 *
 *     gave_up_want_write PORT TLS N [continued]    the peer goes on reading when SSL_shutdown waits for it */
#include "rude.h"

/* Our parent sleeps only where it waits for its peer. */
static void __attribute__((noreturn)) go_on_when_it_waits(pid_t parent, pid_t carrier)
{
	char path[32], state = 'R';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", parent);
	while (state != 'S' && getppid() == parent && (file = fopen(path, "r"))) {
		if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = 'R'; /* it is gone */
		fclose(file);
		sched_yield();
	}
	kill(carrier, SIGCONT);
	rude_vanish();
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	int full = 0, status;
	pid_t carrier, self;

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
	self = getpid();
	if (argc > 4 && fork() == 0)
		go_on_when_it_waits(self, carrier);
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
