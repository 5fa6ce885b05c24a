/* SPDX-License-Identifier: MIT
 * SSL_free, close, over an IPv6 socket, as those have that serve both families with one. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(r.port))};

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr);
	r.ctx = rude_context(&r);
	r.fd = socket(AF_INET6, SOCK_STREAM, 0);
	if (connect(r.fd, (struct sockaddr *)&address, sizeof(address)))
		rude_fail("connect");
	rude_speak(&r);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
