/* SPDX-License-Identifier: MIT
 * A BIO of the program's own fails once without saying that it would block, as after a signal; the write is then repeated and
 * succeeds. SSL_free, close. "gives_up": it is not repeated. */
#include "rude.h"

static int fd;
static bool fails;

static int put(BIO *bio, const char *bytes, int length)
{
	BIO_clear_retry_flags(bio);
	if (fails) {
		fails = false;
		errno = EINTR;
		return -1;
	}
	return (int)send(fd, bytes, (size_t)length, 0);
}

static int get(BIO *bio, char *bytes, int length)
{
	(void)bio;
	return (int)recv(fd, bytes, (size_t)length, 0);
}

static long control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "own");
	BIO *bio;

	if (!method || !BIO_meth_set_write(method, put) || !BIO_meth_set_read(method, get) ||
	    !BIO_meth_set_ctrl(method, control) || !(bio = BIO_new(method)))
		rude_fail("BIO_new");
	BIO_set_init(bio, 1);
	fd = r.fd;
	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, bio, bio);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	fails = true;
	TELL(SSL_write(r.ssl, "a part", 6));
	if (argc < 5)
		TELL(SSL_write(r.ssl, "a part", 6));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	BIO_meth_free(method);
	SSL_CTX_free(r.ctx);
	return 0;
}
