/* SPDX-License-Identifier: MIT
 * SSL_shutdown into another BIO than the socket of the handshake; SSL_free, close.
 *
 *     goodbye_elsewhere PORT TLS N HOW     HOW: null, kept (memory), back (memory, then the socket again), sent (memory, which is
 *                                          written to the socket) */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	const char *how = argc > 4 ? argv[4] : "null";
	BIO *socket = SSL_get_wbio(r.ssl), *other = BIO_new(strcmp(how, "null") ? BIO_s_mem() : BIO_s_null());
	char bytes[128];
	int size;

	BIO_up_ref(socket);
	BIO_up_ref(other);
	SSL_set0_wbio(r.ssl, other);
	TELL(SSL_shutdown(r.ssl));
	if (!strcmp(how, "back"))
		SSL_set0_wbio(r.ssl, socket);
	if (!strcmp(how, "sent") &&
	    ((size = BIO_read(other, bytes, sizeof(bytes))) <= 0 || write(r.fd, bytes, (size_t)size) != size))
		rude_fail("write");
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	return 0;
}
