/* SPDX-License-Identifier: MIT
 * A callback on its socket BIO tells of all that is asked; SSL_free, close. */
#include "rude.h"

static int asked;

static long tell(BIO *bio, int call, const char *bytes, size_t length, int option, long size, int ret,
		 size_t *done)
{
	(void)bio, (void)bytes, (void)length, (void)option, (void)size, (void)done;
	asked += call == BIO_CB_CTRL;
	return ret;
}

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	BIO_set_callback_ex(SSL_get_wbio(r.ssl), tell);
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	printf("asked %d times\n", asked);
	SSL_CTX_free(r.ctx);
	return 0;
}
