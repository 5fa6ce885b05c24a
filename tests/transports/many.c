/* SPDX-License-Identifier: MIT
 * COUNT TLS sessions at once, interleaved step by step, none of which has a socket: memory BIOs and pairs by turns, and
 * two threads that share them out. Each says its own number of bytes, then all are freed and closed.
 *
 *     many PORT TLS N COUNT        connection i says N + i bytes */
#include "../rude/rude.h"

#include <sys/resource.h>

#define THREADS 2

static struct rude r;
static int count;

struct one {
	SSL *ssl;
	int fd, n;
	BIO *in, *out;
	bool done;
};

static struct one *all;

static void flush_out(struct one *c)
{
	char bytes[16384];
	int size;

	while ((size = BIO_read(c->out, bytes, sizeof(bytes))) > 0) {
		if (send(c->fd, bytes, (size_t)size, 0) != size)
			rude_fail("send");
	}
}

static void begin(struct one *c, int number)
{
	BIO *inner;

	c->n = r.n + number;
	c->fd = rude_tcp(&r);
	c->ssl = rude_session(&r);
	if (number & 1) {
		BIO_new_bio_pair(&inner, 1 << 15, &c->in, 1 << 15);
		c->out = c->in;
		SSL_set_bio(c->ssl, inner, inner);
	} else {
		c->in = BIO_new(BIO_s_mem());
		c->out = BIO_new(BIO_s_mem());
		SSL_set_bio(c->ssl, c->in, c->out);
	}
	SSL_do_handshake(c->ssl);
	flush_out(c);
}

/* One more step of the handshake, if the peer has answered. */
static void step(struct one *c)
{
	char bytes[16384];
	ssize_t size = c->done ? 0 : recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (size <= 0)
		return;
	if (BIO_write(c->in, bytes, (int)size) != size)
		rude_fail("BIO_write");
	c->done = SSL_do_handshake(c->ssl) == 1;
	flush_out(c);
}

static void *run(void *first)
{
	int from = (int)(intptr_t)first, open = 0;

	for (int i = from; i < count; i += THREADS, open++)
		begin(&all[i], i);
	for (int done = 0; done < open; sched_yield()) {
		done = 0;
		for (int i = from; i < count; i += THREADS) {
			step(&all[i]);
			done += all[i].done;
		}
	}
	for (int i = from; i < count; i += THREADS) {
		rude_write(all[i].ssl, all[i].n);
		flush_out(&all[i]);
	}
	for (int i = from; i < count; i += THREADS) {
		SSL_free(all[i].ssl);
		close(all[i].fd);
		if (i & 1)
			BIO_free(all[i].in);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	pthread_t threads[THREADS];

	r = rude_arguments(argc, argv);
	r.ctx = rude_context(&r);
	count = argc > 4 ? atoi(argv[4]) : 100;
	all = calloc((size_t)count, sizeof(*all));
	if (!all || getrlimit(RLIMIT_NOFILE, &limit))
		rude_fail("calloc");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		rude_fail("RLIMIT_NOFILE");
	for (intptr_t i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, run, (void *)i))
			rude_fail("pthread_create");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	SSL_CTX_free(r.ctx);
	return 0;
}
