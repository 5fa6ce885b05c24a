/* SPDX-License-Identifier: MIT
 * A careful program with another thread and a callback on its BIO that tells of each write. */
#include "rude.h"

static long tell(BIO *bio, int call, const char *bytes, size_t length, int option, long size, int ret,
		 size_t *done)
{
	(void)bio, (void)bytes, (void)option, (void)size, (void)done;
	if (call == BIO_CB_WRITE)
		printf("BIO_write of %zu bytes\n", length);
	return ret;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	rude_has_threads();
	BIO_set_callback_ex(SSL_get_wbio(r.ssl), tell);
	return rude_goes_on(&r);
}
