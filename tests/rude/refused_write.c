/* SPDX-License-Identifier: MIT
 * A write that OpenSSL refuses and that touches nothing; SSL_free, close. "length": a negative one. "file": SSL_sendfile, which
 * without kTLS is refused. "reads": a read of negative length. "alone" behind it: lives until no other thread does. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	const char *how = argc > 4 ? argv[4] : "length";
	char byte = 'x';

	if (!strcmp(how, "length"))
		TELL(SSL_write(r.ssl, &byte, -1));
	else if (!strcmp(how, "reads"))
		TELL(SSL_read(r.ssl, &byte, -1));
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
	else
		TELL(SSL_sendfile(r.ssl, STDIN_FILENO, 0, 1, 0));
#endif
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	if (argc > 5)
		rude_alone();
	return 0;
}
