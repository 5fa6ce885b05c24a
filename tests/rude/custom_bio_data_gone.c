/* SPDX-License-Identifier: MIT
 * A BIO of the program's own; its data is gone before SSL_free and close, which ask that BIO nothing. */
#include "rude.h"

static bool gone;

static int put(BIO *bio, const char *bytes, int length)
{
	return (int)send(*(int *)BIO_get_data(bio), bytes, (size_t)length, 0);
}

static int get(BIO *bio, char *bytes, int length)
{
	return (int)recv(*(int *)BIO_get_data(bio), bytes, (size_t)length, 0);
}

static long control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	if (gone)
		printf("asked %d\n", command);
	return command == BIO_CTRL_FLUSH;
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "own");
	int *data = malloc(sizeof(*data));
	BIO *bio;

	if (!method || !data || !BIO_meth_set_write(method, put) || !BIO_meth_set_read(method, get) ||
	    !BIO_meth_set_ctrl(method, control) || !(bio = BIO_new(method)))
		rude_fail("BIO_new");
	*data = r.fd;
	BIO_set_data(bio, data);
	BIO_set_init(bio, 1);
	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, bio, bio);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	free(data);
	gone = true;
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	BIO_meth_free(method);
	SSL_CTX_free(r.ctx);
	return 0;
}
