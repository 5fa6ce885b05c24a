/* SPDX-License-Identifier: MIT
 * SSL_write of many small records said WANT_WRITE; SSL_free, close nevertheless. TLS 1.1 as well. */
#include "rude.h"

int main(int argc, char **argv)
{
	static char letters[16384];
	struct rude r = rude_connect(argc, argv);
	int small = 8192;

	if (!strcmp(r.tls, "1.1") && (!SSL_CTX_set_min_proto_version(r.ctx, TLS1_1_VERSION) ||
				      !SSL_CTX_set_max_proto_version(r.ctx, TLS1_1_VERSION) ||
				      !SSL_CTX_set_cipher_list(r.ctx, "ALL:@SECLEVEL=0")))
		rude_fail("TLS 1.1");
	SSL_CTX_set_max_send_fragment(r.ctx, 512);
	rude_speak(&r);
	memset(letters, 'r', sizeof(letters));
	setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	rude_nonblocking(r.fd);
	while (SSL_write(r.ssl, letters, sizeof(letters)) > 0)
		;
	if (SSL_want(r.ssl) != SSL_WRITING)
		rude_fail("WANT_WRITE");
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
