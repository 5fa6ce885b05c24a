/* SPDX-License-Identifier: MIT
 * A BIO of the program's own that calls itself a descriptor, like PostgreSQL's, and is asked for one. It holds what it is given
 * until it is freed; SSL_free, close. "gone": its data is gone before SSL_free. "type": it has the very type of a socket BIO. */
#include "rude.h"

#include <sys/mman.h>

struct data {
	int fd, length;
	char bytes[60000];
};

static bool gone;

static void put_out(struct data *data)
{
	if (data->length && send(data->fd, data->bytes, (size_t)data->length, 0) != data->length)
		rude_fail("send");
	data->length = 0;
}

static int put(BIO *bio, const char *bytes, int length)
{
	struct data *data = BIO_get_data(bio);

	memcpy(data->bytes + data->length, bytes, (size_t)length);
	data->length += length;
	return length;
}

static int get(BIO *bio, char *bytes, int length)
{
	struct data *data = BIO_get_data(bio);

	return (int)recv(data->fd, bytes, (size_t)length, 0);
}

static bool settled; /* from here on flushing is put off */

static long control(BIO *bio, int command, long number, void *pointer)
{
	struct data *data = BIO_get_data(bio);

	(void)number;
	if (command == BIO_C_GET_FD) {
		if (pointer)
			memcpy(pointer, &data->fd, sizeof(data->fd));
		return data->fd;
	}
	if (command == BIO_CTRL_FLUSH && !settled)
		put_out(data);
	return command == BIO_CTRL_FLUSH || data->length < 0; /* the second asks the data in any case */
}

static int destroy(BIO *bio)
{
	if (!gone)
		put_out(BIO_get_data(bio));
	return 1;
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	bool loses = argc > 4 && !strcmp(argv[4], "gone"), forged = argc > 4 && !strcmp(argv[4], "type");
	BIO_METHOD *method = BIO_meth_new(
		forged ? BIO_TYPE_SOCKET : BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR,
		"socket");
	struct data *data =
		mmap(NULL, sizeof(*data), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	BIO *bio;

	if (!method || data == MAP_FAILED || !BIO_meth_set_write(method, put) ||
	    !BIO_meth_set_read(method, get) || !BIO_meth_set_ctrl(method, control) ||
	    !BIO_meth_set_destroy(method, destroy) || !(bio = BIO_new(method)))
		rude_fail("BIO_new");
	data->fd = r.fd;
	BIO_set_data(bio, data);
	BIO_set_init(bio, 1);
	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, bio, bio);
	rude_shake_hands(r.ssl);
	put_out(data);
	settled = true;
	rude_write(r.ssl, r.n);
	if (loses) {
		put_out(data);
		gone = true;
		munmap(data, sizeof(*data));
	}
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	BIO_meth_free(method);
	SSL_CTX_free(r.ctx);
	return 0;
}
