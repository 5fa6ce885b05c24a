/* SPDX-License-Identifier: MIT
 * A TLS client or server that gives OpenSSL no socket: the ciphertext takes a road of the program's own.
 *
 *     transport PORT TLS N STYLE SENDER [KEEP [END]]
 *
 * PORT, TLS, N as for the rude programs. STYLE: custom (a BIO of its own), filter (a BIO over a socket BIO), pair, memory.
 * SENDER: write, send, sendto, writev, sendmsg, sendmmsg, bytes (the first 60 one at a time), thread (another thread
 * sends), starttls (plain text goes first), decoy (bytes that look like a hello go to another socket first), mirror and mirror_after (all goes to a second socket as well), hello_only (the
 * first flight goes to a second socket as well), crowd_before and crowd_after (20000 hellos go to a second socket before
 * or after the first flight). KEEP: so many bytes of the last record never reach the socket (0). END: free_close,
 * close_free, shutdown_free_close, shutdown_kept (SSL_shutdown, whose alert is not sent), exit. */
#include "../rude/rude.h"

#include <sys/uio.h>

static struct rude r;
static const char *style, *sender;
static bool holding; /* nothing more goes out */
static size_t keep;  /* of what is made while holding, this many bytes are kept */
static size_t out_so_far;
static int second = -1, second_listener = -1; /* mirror's */
static BIO *outer;                            /* of a pair */
static BIO *in_memory, *out_memory;

/* --- to the socket --- */

static pthread_t carrier;
static pthread_barrier_t handed, carried;
static const char *load;
static size_t load_size;

static void must(ssize_t put, size_t size)
{
	if (put != (ssize_t)size)
		rude_fail("send");
}

static void *carry(void *unused)
{
	for (;;) {
		pthread_barrier_wait(&handed);
		if (!load)
			return unused;
		must(send(r.fd, load, load_size, 0), load_size);
		pthread_barrier_wait(&carried);
	}
}

static bool is(const char *name)
{
	return !strcmp(sender, name);
}

/* Somebody else's hellos, more than are remembered. */
static void crowd(void)
{
	char hello[43] = {22, 3, 1, 0, 55, 1, 0, 0, 51, 3, 3}, bytes[sizeof(hello)];
	int reader = accept(second_listener, NULL, NULL);

	for (int i = 1; i <= 20000; i++) {
		memcpy(hello + 11, &i, sizeof(i));
		must(send(second, hello, sizeof(hello), 0), sizeof(hello));
		must(recv(reader, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
	}
	close(reader);
}

static void to_socket(const char *bytes, size_t size)
{
	struct iovec parts[3] = {{(void *)bytes, size > 7 ? 7 : size}};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = parts, .msg_iovlen = 3}};
	size_t start = 0;

	parts[1] = (struct iovec){(void *)(bytes + parts[0].iov_len), (size - parts[0].iov_len) / 2};
	parts[2] = (struct iovec){(char *)parts[1].iov_base + parts[1].iov_len,
				  size - parts[0].iov_len - parts[1].iov_len};
	if (is("crowd_before") && !out_so_far)
		crowd();
	if (is("writev")) {
		must(writev(r.fd, parts, 3), size);
	} else if (is("sendmsg")) {
		must(sendmsg(r.fd, &message.msg_hdr, 0), size);
	} else if (is("sendmmsg")) {
		must(sendmmsg(r.fd, &message, 1, 0), 1);
		must((ssize_t)message.msg_len, size);
	} else if (is("sendto")) {
		must(sendto(r.fd, bytes, size, 0, NULL, 0), size);
	} else if (is("write")) {
		must(write(r.fd, bytes, size), size);
	} else if (is("thread")) {
		load = bytes, load_size = size;
		pthread_barrier_wait(&handed);
		pthread_barrier_wait(&carried);
	} else {
		if (is("mirror") || (is("hello_only") && !out_so_far))
			must(send(second, bytes, size, 0), size);
		for (; is("bytes") && start < size && out_so_far + start < 60; start++)
			must(send(r.fd, bytes + start, 1, 0), 1);
		if (start < size)
			must(send(r.fd, bytes + start, size - start, 0), size - start);
		if (is("crowd_after") && !out_so_far)
			crowd();
		if (is("mirror_after"))
			must(send(second, bytes, size, 0), size);
	}
	out_so_far += size;
}

static void put_out(const char *bytes, size_t size)
{
	if (holding) {
		size = keep < size ? size - keep : 0;
		keep = 0;
	}
	if (size)
		to_socket(bytes, size);
}

/* --- the roads --- */

static int custom_write(BIO *bio, const char *bytes, int size)
{
	(void)bio;
	put_out(bytes, (size_t)size);
	return size;
}

static int custom_read(BIO *bio, char *bytes, int size)
{
	(void)bio;
	return (int)recv(r.fd, bytes, (size_t)size, 0);
}

static int filter_read(BIO *bio, char *bytes, int size)
{
	return BIO_read(BIO_next(bio), bytes, size);
}

static long custom_ctrl(BIO *bio, int command, long number, void *argument)
{
	(void)bio, (void)number, (void)argument;
	return command == BIO_CTRL_FLUSH;
}

static BIO *own_bio(bool filter)
{
	BIO_METHOD *method =
		BIO_meth_new(BIO_get_new_index() | (filter ? BIO_TYPE_FILTER : BIO_TYPE_SOURCE_SINK), "own");
	BIO *bio;

	BIO_meth_set_write(method, custom_write);
	BIO_meth_set_read(method, filter ? filter_read : custom_read);
	BIO_meth_set_ctrl(method, custom_ctrl);
	bio = BIO_new(method);
	BIO_set_init(bio, 1);
	return filter ? BIO_push(bio, BIO_new_socket(r.fd, BIO_NOCLOSE)) : bio;
}

static void choose_road(void)
{
	BIO *inner;

	if (!strcmp(style, "memory")) {
		in_memory = BIO_new(BIO_s_mem());
		out_memory = BIO_new(BIO_s_mem());
		SSL_set_bio(r.ssl, in_memory, out_memory);
	} else if (!strcmp(style, "pair")) {
		BIO_new_bio_pair(&inner, 1 << 17, &outer, 1 << 17);
		SSL_set_bio(r.ssl, inner, inner);
		in_memory = out_memory = outer;
	} else {
		inner = own_bio(!strcmp(style, "filter"));
		SSL_set_bio(r.ssl, inner, inner);
	}
}

/* Whatever the session has made goes out; in one piece, so that `keep` is about the end of it. */
static void flush_out(void)
{
	static char bytes[1 << 17];
	int size;

	if (out_memory && (size = BIO_read(out_memory, bytes, sizeof(bytes))) > 0)
		put_out(bytes, (size_t)size);
}

static void fetch_in(void)
{
	char bytes[16384];
	ssize_t size;

	if (!in_memory)
		return;
	size = recv(r.fd, bytes, sizeof(bytes), 0);
	if (size <= 0 || BIO_write(in_memory, bytes, (int)size) != size)
		rude_fail("recv");
}

/* Another socket, which nobody reads. */
static int other_socket(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size) ||
	    connect(fd, (struct sockaddr *)&address, size))
		rude_fail("second");
	second_listener = listener;
	return fd;
}

static void shake_hands(void)
{
	while (SSL_do_handshake(r.ssl) != 1) {
		flush_out();
		fetch_in();
	}
	flush_out();
}

int main(int argc, char **argv)
{
	const char *end = argc > 7 ? argv[7] : "free_close";

	if (argc < 6)
		rude_fail("transport PORT TLS N STYLE SENDER [KEEP [END]]");
	r = rude_connect(argc, argv);
	style = argv[4];
	sender = argv[5];
	if (!strncmp(sender, "mirror", 6) || !strncmp(sender, "crowd", 5) || is("hello_only"))
		second = other_socket();
	if (is("decoy")) {
		static const char decoy[60] = {22, 3, 1, 0, 55, 1, 0, 0, 51, 3, 3};

		second = other_socket();
		must(send(second, decoy, 3, 0), 3);
		must(send(second, decoy + 3, sizeof(decoy) - 3, 0), sizeof(decoy) - 3);
	}
	if (is("starttls"))
		must(send(r.fd, "plain text\r\n", 12, 0), 12);
	pthread_barrier_init(&handed, NULL, 2);
	pthread_barrier_init(&carried, NULL, 2);
	if (is("thread") && pthread_create(&carrier, NULL, carry, NULL))
		rude_fail("pthread_create");
	r.ssl = rude_session(&r);
	choose_road();
	shake_hands();
	rude_write(r.ssl, r.n);
	flush_out();
	keep = argc > 6 ? (size_t)atoi(argv[6]) : 0;
	if (keep) {
		holding = true;
		rude_write(r.ssl, 1000);
		flush_out();
	}
	if (!strncmp(end, "shutdown", 8)) {
		holding |= !strcmp(end, "shutdown_kept");
		keep = holding ? SIZE_MAX : 0;
		TELL(SSL_shutdown(r.ssl));
		flush_out();
	}
	if (!strcmp(end, "exit"))
		return 0;
	if (!strcmp(end, "close_free"))
		TELL(close(r.fd));
	TELL_VOID(SSL_free(r.ssl));
	if (strcmp(end, "close_free"))
		TELL(close(r.fd));
	BIO_free(outer);
	SSL_CTX_free(r.ctx);
	return 0;
}
