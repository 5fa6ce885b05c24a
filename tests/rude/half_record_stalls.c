/* SPDX-License-Identifier: MIT
 * A peer: after the handshake it sends half a record, and no more until the other side ends TCP. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	BIO *record = BIO_new(BIO_s_mem());
	char bytes[4096], *half;
	long size;

	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	SSL_set0_wbio(r.ssl, record);
	rude_write(r.ssl, 1000);
	size = BIO_get_mem_data(record, &half) / 2;
	if (send(r.fd, half, (size_t)size, 0) != size)
		rude_fail("send");
	while (recv(r.fd, bytes, sizeof(bytes), 0) > 0)
		;
	rude_vanish();
}
