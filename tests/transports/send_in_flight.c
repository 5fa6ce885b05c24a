/* SPDX-License-Identifier: MIT
 * Memory BIOs: all is encrypted, the goodbye last, and one call sends it. Meanwhile another thread closes the
 * descriptor, for the call holds the socket; io_uring does the same. */
#include "../rude/rude.h"

#include <linux/filter.h>

#define MUCH 300000

static struct {
	int fd;
	char *bytes;
	long length, put;
} flight;

/* From now on no acknowledgement is heard: what is sent stays under way, however long this thread has to wait for a processor. */
static void hear_nothing(int fd)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &none};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		rude_fail("SO_ATTACH_FILTER");
}

static void hear_again(int fd)
{
	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &(int){0}, sizeof(int)))
		rude_fail("SO_DETACH_FILTER");
}

static void *fly(void *unused)
{
	flight.put = send(flight.fd, flight.bytes, (size_t)flight.length, MSG_NOSIGNAL);
	return unused;
}

static void carry_out(struct rude *r, BIO *out)
{
	char *bytes;
	long length = BIO_get_mem_data(out, &bytes);

	if (length > 0 && send(r->fd, bytes, (size_t)length, 0) != length)
		rude_fail("send");
	(void)BIO_reset(out);
}

static void shake_hands(struct rude *r, BIO *in, BIO *out)
{
	char bytes[16384];
	ssize_t got = 1;
	int done;

	do {
		done = SSL_do_handshake(r->ssl);
		carry_out(r, out);
		if (done != 1 && (got = recv(r->fd, bytes, sizeof(bytes), 0)) > 0)
			BIO_write(in, bytes, (int)got);
	} while (done != 1 && got > 0);
	if (done != 1)
		rude_fail("handshake");
}

int main(int argc, char **argv)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	struct rude r = rude_connect(argc, argv);
	int small = 4096, under_way = 0;
	pthread_t thread;

	r.ssl = rude_session(&r);
	SSL_set_bio(r.ssl, in, out);
	shake_hands(&r, in, out);
	rude_write(r.ssl, MUCH);
	SSL_shutdown(r.ssl);
	rude_flushed(r.fd); /* what is under way from now on is the thread's */
	setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	flight.fd = r.fd;
	hear_nothing(r.fd);
	flight.length = BIO_get_mem_data(out, &flight.bytes);
	if (pthread_create(&thread, NULL, fly, NULL))
		rude_fail("pthread_create");
	while (!under_way)
		ioctl(r.fd, SIOCOUTQ, &under_way);
	hear_again(r.fd);
	TELL(close(r.fd));
	pthread_join(thread, NULL);
	printf("%s was sent\n", flight.put == flight.length ? "all" : "not all");
	SSL_free(r.ssl);
	SSL_CTX_free(r.ctx);
	return 0;
}
