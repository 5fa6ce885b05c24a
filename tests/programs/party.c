/* SPDX-License-Identifier: MIT
 * One side of a TLS connection over whatever transport, client or server, that does what a string of letters says. For
 * random programs (tests/agreement). */
#include "../rude/deeds.h"

static const char *style, *flags;
static BIO *in, *out, *outer; /* memory, or the outer end of a pair */
static bool carrier_ended;    /* the socket has given its end of file */

static bool has(char flag)
{
	return strchr(flags, flag);
}

/* --- a BIO of the program's own: over the socket, or over a socket BIO --- */

static bool own_eof;

static int own_write(BIO *bio, const char *bytes, int size)
{
	ssize_t put;

	BIO_clear_retry_flags(bio);
	put = send(r.fd, bytes, (size_t)size, MSG_NOSIGNAL);
	if (put < 0 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	return (int)put;
}

static int own_read(BIO *bio, char *bytes, int size)
{
	ssize_t got;

	BIO_clear_retry_flags(bio);
	got = recv(r.fd, bytes, (size_t)size, 0);
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	own_eof |= got == 0;
	return (int)got;
}

static long own_ctrl(BIO *bio, int command, long number, void *argument)
{
	(void)bio, (void)number, (void)argument;
	return command == BIO_CTRL_FLUSH || (command == BIO_CTRL_EOF && own_eof);
}

static int filter_write(BIO *bio, const char *bytes, int size)
{
	int put = BIO_write(BIO_next(bio), bytes, size);

	BIO_copy_next_retry(bio);
	return put;
}

static int filter_read(BIO *bio, char *bytes, int size)
{
	int got = BIO_read(BIO_next(bio), bytes, size);

	BIO_copy_next_retry(bio);
	return got;
}

static long filter_ctrl(BIO *bio, int command, long number, void *argument)
{
	return BIO_ctrl(BIO_next(bio), command, number, argument);
}

static BIO *own_bio(void)
{
	bool filter = !strcmp(style, "filter");
	BIO_METHOD *method =
		BIO_meth_new(BIO_get_new_index() | (filter ? BIO_TYPE_FILTER : BIO_TYPE_SOURCE_SINK), "own");
	BIO *bio;

	BIO_meth_set_write(method, filter ? filter_write : own_write);
	BIO_meth_set_read(method, filter ? filter_read : own_read);
	BIO_meth_set_ctrl(method, filter ? filter_ctrl : own_ctrl);
	bio = BIO_new(method);
	BIO_set_init(bio, 1);
	return filter ? BIO_push(bio, BIO_new_socket(r.fd, BIO_NOCLOSE)) : bio;
}

static void set_transport(void)
{
	BIO *bio;

	if (!strcmp(style, "socket")) {
		SSL_set_fd(r.ssl, r.fd);
		return;
	}
	if (!strcmp(style, "memory")) {
		in = BIO_new(BIO_s_mem());
		out = BIO_new(BIO_s_mem());
		BIO_set_mem_eof_return(in, -1);
		BIO_set_mem_eof_return(out, -1);
		SSL_set_bio(r.ssl, in, out);
		return;
	}
	if (!strcmp(style, "pair")) {
		BIO_new_bio_pair(&bio, 1 << 17, &outer, 1 << 17);
		in = out = outer;
	} else if (!strcmp(style, "fd")) {
		bio = BIO_new_fd(r.fd, BIO_NOCLOSE);
	} else if (!strcmp(style, "buffer")) {
		bio = BIO_push(BIO_new(BIO_f_buffer()), BIO_new_socket(r.fd, BIO_NOCLOSE));
	} else {
		bio = own_bio();
	}
	SSL_set_bio(r.ssl, bio, bio);
}

/* --- between memory and socket --- */

static void flush_out(void)
{
	char bytes[16384];
	int size;

	while (out && (size = BIO_read(out, bytes, sizeof(bytes))) > 0) {
		for (ssize_t put, at = 0; at < size; at += put) {
			put = send(r.fd, bytes + at, (size_t)(size - at), MSG_NOSIGNAL);
			if (put < 0)
				return;
		}
	}
}

/* False at the end. With the flag e OpenSSL is told of that. */
static bool fetch_in(void)
{
	char bytes[16384];
	ssize_t size = carrier_ended ? 0 : recv(r.fd, bytes, sizeof(bytes), 0);

	if (size > 0)
		return BIO_write(in, bytes, (int)size) == size;
	if (carrier_ended || (size < 0 && errno == EAGAIN) || !has('e'))
		return false;
	carrier_ended = true;
	if (outer)
		BIO_shutdown_wr(outer);
	else
		BIO_set_mem_eof_return(in, 0);
	return true;
}

static void send_all(void)
{
	if (!strcmp(style, "buffer") && !has('u'))
		(void)BIO_flush(SSL_get_wbio(r.ssl));
	flush_out();
}

/* True if a call that gave `ret` is to be made again. */
static bool again(int ret)
{
	bool wants = ret <= 0 && SSL_get_error(r.ssl, ret) == SSL_ERROR_WANT_READ;

	send_all();
	return wants && in && fetch_in();
}

/* --- deeds --- */

static void shake_hands(void)
{
	int ret;

	do {
		ret = SSL_do_handshake(r.ssl);
	} while (again(ret));
	if (ret != 1)
		rude_fail("handshake");
}

static void read_some(int n)
{
	char bytes[16384];
	int ret;

	do {
		ret = SSL_read(r.ssl, bytes, n < (int)sizeof(bytes) ? n : (int)sizeof(bytes));
	} while (again(ret));
}

static void read_all(int n)
{
	char bytes[16384];
	int ret;

	(void)n;
	do {
		ret = SSL_read(r.ssl, bytes, sizeof(bytes));
	} while (ret > 0 || again(ret));
}

static void write_some(int n)
{
	static char bytes[1 << 20];

	again(SSL_write(r.ssl, bytes, n < (int)sizeof(bytes) ? n : (int)sizeof(bytes)));
}

static void write_to_nobody(int n)
{
	(void)n;
	SSL_write(r.ssl, "held", 4);
}

static void write_nonsense(int n)
{
	(void)n;
	SSL_write(r.ssl, "", -1);
}

static void say_goodbye(int n)
{
	(void)n;
	SSL_shutdown(r.ssl);
	send_all();
}

static void say_goodbye_to_nobody(int n)
{
	(void)n;
	SSL_shutdown(r.ssl);
}

static void carry(int n)
{
	(void)n;
	send_all();
}

static void carry_by_stream(int n)
{
	char *bytes = NULL;
	long length = BIO_get_mem_data(SSL_get_wbio(r.ssl), &bytes);
	FILE *stream = length > 0 ? fdopen(r.fd, "w") : NULL;

	(void)n;
	if (stream)
		fwrite(bytes, 1, (size_t)length, stream);
}

static void free_session(int n)
{
	(void)n;
	SSL_free(r.ssl);
	r.ssl = NULL;
	BIO_free(outer);
	in = out = outer = NULL;
}

static void set_quiet(int n)
{
	SSL_set_quiet_shutdown(r.ssl, n);
}

static void set_flags(int n)
{
	SSL_set_shutdown(r.ssl, n);
}

/* New keys, the peer's too if n is 1; TLS 1.2: everything anew. */
static void new_keys(int n)
{
	if (SSL_version(r.ssl) == TLS1_3_VERSION)
		SSL_key_update(r.ssl, n);
	else
		SSL_renegotiate(r.ssl);
	again(SSL_do_handshake(r.ssl));
}

/* The same to its end, with a peer that takes part. */
static void new_keys_finished(int n)
{
	struct pollfd more = {.fd = r.fd, .events = POLLIN};
	int old = fcntl(r.fd, F_GETFL), ret;
	char byte;

	fcntl(r.fd, F_SETFL, O_NONBLOCK);
	new_keys(n);
	do {
		ret = SSL_peek(r.ssl, &byte, 1); /* where the peer has sent data, that comes first */
	} while ((again(ret) || (ret < 0 && SSL_get_error(r.ssl, ret) == SSL_ERROR_WANT_READ)) &&
		 (SSL_renegotiate_pending(r.ssl) || !SSL_is_init_finished(r.ssl)) &&
		 poll(&more, 1, 2000) > 0 && recv(r.fd, &byte, 1, MSG_PEEK) != 0);
	fcntl(r.fd, F_SETFL, old);
}

static void old_error(int n)
{
	(void)n;
	ERR_put_error(ERR_LIB_USER, 0, 42, "party", 1);
}

static const struct deed deeds[] = {
	{'r', 's', 100, read_some, "SSL_read of at most N bytes"},
	{'z', 's', 0, read_all, "SSL_read until it fails"},
	{'w', 's', 1, write_some, "SSL_write of N bytes"},
	{'H', 's', 0, write_to_nobody, "SSL_write of 4 bytes; what it has put into memory stays there"},
	{'b', 's', 0, write_nonsense, "SSL_write of -1 bytes"},
	{'S', 's', 0, say_goodbye, "SSL_shutdown"},
	{'G', 's', 0, say_goodbye_to_nobody, "SSL_shutdown; what it has put into memory stays there"},
	{'c', 's', 0, carry, "carry what is in memory to the socket"},
	{'B', 's', 0, carry_by_stream,
	 "write what is in memory to a stdio stream over the socket, whose buffer keeps it"},
	{'F', 's', 0, free_session, "SSL_free"},
	{'Q', 's', 1, set_quiet, "SSL_set_quiet_shutdown(N)"},
	{'T', 's', 1, set_flags, "SSL_set_shutdown(N): 1 sent, 2 received"},
	{'K', 's', 0, new_keys, "KeyUpdate, of the peer's too if N is 1; TLS 1.2: renegotiation"},
	{'N', 's', 0, new_keys_finished, "the same, until the peer has done its part"},
	{'q', 's', 0, old_error, "leave an error in OpenSSL's queue"},
	DEEDS_WITHOUT_TLS,
	{0},
};

static bool lives(void)
{
	return r.ssl;
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok, (void)store;
	return 1;
}

/* The peer has gone before the second ticket is sent. */
static void on_state(const SSL *ssl, int where, int ret)
{
	struct pollfd gone = {.fd = r.fd};

	(void)ret;
	if (where & SSL_CB_LOOP && SSL_get_state(ssl) == TLS_ST_SW_SESSION_TICKET)
		poll(&gone, 1, 10000);
}

static void set_flags_of_context(void)
{
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	if (has('i'))
		SSL_CTX_set_options(r.ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
#ifdef SSL_OP_ALLOW_CLIENT_RENEGOTIATION
	SSL_CTX_set_options(r.ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
#endif
	if (has('h') && r.server && SSL_CTX_set1_groups_list(r.ctx, "P-521:P-256") != 1)
		rude_fail("P-521");
	if (has('a'))
		SSL_CTX_set_read_ahead(r.ctx, 1);
	if (has('c') && r.server)
		SSL_CTX_set_verify(r.ctx, SSL_VERIFY_PEER, accept_any);
	else if (has('c'))
		rude_certificate(r.ctx);
	if (has('t'))
		SSL_CTX_set_info_callback(r.ctx, on_state);
	if (has('p'))
		SSL_CTX_set_mode(r.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static int help(void)
{
	puts("Usage: party PORT TLS N STYLE FLAGS DEEDS\n\n"
	     "PORT, TLS, N as for the rude programs (PORT 0: be the server, print \"listening PORT\").\n"
	     "STYLE  socket, fd, buffer (BIO_f_buffer over a socket BIO), filter (one of its own over a "
	     "socket\n"
	     "       BIO), custom, pair, memory\n"
	     "FLAGS  letters, - for none: i SSL_OP_IGNORE_UNEXPECTED_EOF, a read_ahead, c client "
	     "certificate, p partial\n"
	     "       writes, e OpenSSL is told of the socket's end of file (memory, pair), u what "
	     "BIO_f_buffer\n"
	     "       holds is never flushed, t a server's tickets go when the peer has reset, h a\n"
	     "       server's groups are such that it sends HelloRetryRequest, l an exit handler from before "
	     "the\n"
	     "       connection carries what is in memory to the socket");
	tell_deeds(deeds);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return argc > 1 && !strcmp(argv[1], "--help") ? help() : 2;
	signal(SIGPIPE, SIG_IGN);
	r = rude_arguments(argc, argv);
	style = argv[4];
	flags = argv[5];
	if (has('l'))
		atexit(flush_out);
	r.ctx = rude_context(&r);
	set_flags_of_context();
	r.fd = rude_tcp(&r);
	r.ssl = rude_session(&r);
	set_transport();
	shake_hands();
	if (r.n)
		write_some(r.n);
	perform(deeds, argv[6], lives);
	return 0;
}
