/* SPDX-License-Identifier: MIT
 * close, SSL_shutdown, SSL_free: by then the number is another socket, which hears the alert. sofia-sip #131.
 */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	char bytes[4096];
	int pair[2], ret;

	close(r.fd);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pair[0] != r.fd)
		rude_fail("socketpair");
	ret = SSL_shutdown(r.ssl);
	printf("SSL_shutdown = %d SSL_get_error %d\n", ret, SSL_get_error(r.ssl, ret));
	SSL_free(r.ssl);
	printf("the other socket heard %zd bytes\n", recv(pair[1], bytes, sizeof(bytes), MSG_DONTWAIT));
	SSL_CTX_free(r.ctx);
	return 0;
}
