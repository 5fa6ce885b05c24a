/* SPDX-License-Identifier: MIT
 * A second session is tried on the socket of a living one, finds nothing to read, and is freed; the first goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv), other = {.tls = r.tls, .server = true};
	SSL *second;

	other.ctx = rude_context(&other);
	second = rude_session(&other);
	SSL_set_fd(second, r.fd);
	fcntl(r.fd, F_SETFL, O_NONBLOCK);
	TELL(SSL_get_error(second, SSL_do_handshake(second)));
	fcntl(r.fd, F_SETFL, 0);
	SSL_free(second);
	SSL_CTX_free(other.ctx);
	return rude_goes_on(&r);
}
