/* SPDX-License-Identifier: MIT
 * Puts another BIO in the place of the session's after the handshake, writes N bytes through it: SSL_free, close.
 *
 *     filter_pushed PORT TLS N HOW     HOW: filter (one of its own), buffer (BIO_f_buffer, flushed), held (not flushed),
 *                                      below (a BIO of its own under BIO_f_buffer), memory (memory all the time, then
 *                                      other memory) */
#include "rude.h"

static int pass_on(BIO *bio, const char *bytes, int size)
{
	int put = BIO_write(BIO_next(bio), bytes, size);

	BIO_copy_next_retry(bio);
	return put;
}

static int fetch(BIO *bio, char *bytes, int size)
{
	int got = BIO_read(BIO_next(bio), bytes, size);

	BIO_copy_next_retry(bio);
	return got;
}

static long control(BIO *bio, int command, long number, void *argument)
{
	return BIO_ctrl(BIO_next(bio), command, number, argument);
}

static BIO *own_filter(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "own");
	BIO *bio;

	BIO_meth_set_write(method, pass_on);
	BIO_meth_set_read(method, fetch);
	BIO_meth_set_ctrl(method, control);
	bio = BIO_new(method);
	BIO_set_init(bio, 1);
	return bio;
}

static void send_memory(struct rude *r)
{
	char bytes[16384];
	int size;

	while ((size = BIO_read(SSL_get_wbio(r->ssl), bytes, sizeof(bytes))) > 0)
		if (send(r->fd, bytes, (size_t)size, 0) != size)
			rude_fail("send");
}

static void shake_hands_in_memory(struct rude *r)
{
	char bytes[16384];
	ssize_t size;

	SSL_set_bio(r->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	while (SSL_do_handshake(r->ssl) != 1) {
		send_memory(r);
		size = recv(r->fd, bytes, sizeof(bytes), 0);
		if (size <= 0 || BIO_write(SSL_get_rbio(r->ssl), bytes, (int)size) != size)
			rude_fail("recv");
	}
	send_memory(r);
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	const char *how = argc > 4 ? argv[4] : "filter";
	BIO *socket, *top = NULL;

	r.ssl = rude_session(&r);
	if (!strcmp(how, "memory")) {
		shake_hands_in_memory(&r);
		SSL_set0_wbio(r.ssl, BIO_new(BIO_s_mem()));
		rude_write(r.ssl, r.n);
		send_memory(&r);
	} else {
		SSL_set_fd(r.ssl, r.fd);
		rude_shake_hands(r.ssl);
		socket = BIO_new_socket(r.fd, BIO_NOCLOSE);
		if (!strcmp(how, "filter"))
			top = BIO_push(own_filter(), socket);
		else if (!strcmp(how, "below"))
			top = BIO_push(BIO_new(BIO_f_buffer()), BIO_push(own_filter(), socket));
		else
			top = BIO_push(BIO_new(BIO_f_buffer()), socket);
		SSL_set0_wbio(r.ssl, top);
		rude_write(r.ssl, r.n);
		if (strcmp(how, "held") && BIO_flush(top) != 1)
			rude_fail("BIO_flush");
	}
	SSL_free(r.ssl);
	TELL(close(r.fd));
	return 0;
}
