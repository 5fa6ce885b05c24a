// SPDX-License-Identifier: MIT
/*
 * judge: an independent TLS peer that reports exactly how the other side ended the connection.
 *
 * Invariant: nothing is an end but what stood on the wire. The judge does the socket I/O itself, cuts the
 * byte stream into records and hands them to OpenSSL one by one through memory BIOs, so that OpenSSL never
 * sees an EOF it could gloss over. Alerts are taken from the message callback, FIN and RST from recv().
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE   16384
#define HEADER_SIZE 5
#define RECORD_SIZE (HEADER_SIZE + 16384 + 2048) /* RFC 5246 6.2.3; TLS 1.3 allows less */
#define ALERT_FATAL 2
#define ORDER_SIZE  64
#define ORDER_WORD  48

enum exit_status { EXIT_JUDGED = 0, EXIT_BROKEN = 1, EXIT_USAGE = 2 };

enum first {
	FIRST_NOTHING,
	FIRST_CLOSE_NOTIFY,
	FIRST_FIN,
	FIRST_RST,
	FIRST_BOTH,
	FIRST_FATAL,
	FIRST_HALF_RECORD,
	FIRST_CORRUPT_RECORD,
	FIRST_TWO_CLOSE_NOTIFY,
	FIRST_DATA_AFTER,
	FIRST_CLOSE_NOTIFY_RST,
};

static const char *const first_names[] = {
	[FIRST_NOTHING] = "nothing",
	[FIRST_CLOSE_NOTIFY] = "close_notify",
	[FIRST_FIN] = "fin",
	[FIRST_RST] = "rst",
	[FIRST_BOTH] = "both",
	[FIRST_FATAL] = "fatal",
	[FIRST_HALF_RECORD] = "half_record",
	[FIRST_CORRUPT_RECORD] = "corrupt_record",
	[FIRST_TWO_CLOSE_NOTIFY] = "two_close_notify",
	[FIRST_DATA_AFTER] = "data_after_close_notify",
	[FIRST_CLOSE_NOTIFY_RST] = "close_notify_rst",
	NULL,
};

enum when { WHEN_HANDSHAKE, WHEN_REQUEST, WHEN_EOF, WHEN_HTTP };

static const char *const when_names[] = {"handshake", "request", "eof", NULL};
static const char *const tls_names[] = {"1.2", "1.3", NULL};

enum end { END_OPEN, END_FIN, END_RST, END_TIMEOUT };

static const char *const end_names[] = {"open", "fin", "rst", "timeout"};

/* What the command line asks for; constant once main has parsed it. */
static struct {
	bool server;
	int tls13;
	const char *cert, *key;
	const char *sni, *session_file, *groups;
	int port, connections, repeat, tickets, rcvbuf;
	bool session_ids;
	int timeout_ms, accept_timeout_ms, read_pause_ms, linger_open_ms;
	int skip;      /* bytes of plain text before the first record, as with STARTTLS */
	char *request; /* sent right after the handshake */
	size_t request_size;
	char head[160]; /* then head and body, once `when` has come */
	size_t head_size;
	uint64_t body_size, http_size;
	bool has_http, no_length;
	int when;
	int first;
	uint64_t first_after;
	bool silent_end, never_read, ask_certificate, renegotiate;
	bool ipv6, mptcp;
} opt = {
	.server = false,
	.tls13 = 1,
	.connections = 1,
	.repeat = 1,
	.tickets = -1,
	.timeout_ms = 60000,
	.accept_timeout_ms = 60000,
};

/* One connection. Times are milliseconds of CLOCK_MONOTONIC. */
struct peer {
	int fd, number;
	SSL *ssl;
	BIO *in, *out; /* OpenSSL's side */
	BIO *wire;     /* ciphertext the kernel has not taken yet */
	int64_t deadline, read_at, close_at;

	unsigned char stream[RECORD_SIZE + READ_SIZE]; /* received, not yet a whole record */
	size_t stream_size, skipped;
	unsigned char secret[EVP_MAX_MD_SIZE]; /* TLS 1.3: the peer's traffic secret and record number */
	int secret_size;
	uint64_t sequence;
	EVP_MD_CTX *sha256;
	size_t head_match; /* bytes of "\r\n\r\n" seen in a row */
	bool head_seen;

	/* what the peer did */
	bool handshake, broken; /* broken: OpenSSL cannot decrypt any further */
	bool unframed;          /* not a record: no later byte can be told apart either */
	bool peer_gone, reset_on_send, rst_after_fin;
	uint64_t received;
	int close_notify;
	uint64_t records_after;
	char fatal[ORDER_WORD], sni[256], error[160];
	bool has_sni;
	char order[ORDER_SIZE][ORDER_WORD];
	size_t order_size;
	enum end end;

	/* what the judge did */
	size_t request_off;
	uint64_t off, in_flight, sent;
	bool first_done, answered, closed_for_writing;
	bool close_notify_made, close_notify_sent;
	bool want_fin, fin_sent, want_rst;
	int send_errno;
};

static volatile sig_atomic_t told; /* SIGUSR1 has come, and nothing was left to read then */

static SSL_SESSION *kept_session; /* the client's newest session, for --repeat and --session-file */

static void __attribute__((noreturn, format(printf, 2, 3))) die(int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("judge: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(status);
}

static void __attribute__((noreturn)) die_openssl(const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	die(EXIT_BROKEN, "%s: %s", what, reason ? reason : "OpenSSL gives no reason");
}

static void __attribute__((noreturn)) die_errno(const char *what)
{
	die(EXIT_BROKEN, "%s: %s", what, strerror(errno));
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- what came from the peer, in order ---- */

static bool collapses(const char *word)
{
	return !strcmp(word, "data") || !strcmp(word, "garbage");
}

static void note(struct peer *p, const char *prefix, const char *word)
{
	char *slot;

	if (p->order_size && collapses(word) && !strcmp(p->order[p->order_size - 1], word))
		return;
	if (p->order_size == ORDER_SIZE) {
		strcpy(p->order[ORDER_SIZE - 1], "...");
		return;
	}
	slot = p->order[p->order_size++];
	snprintf(slot, ORDER_WORD, "%s%s", prefix, word);
}

/* RFC 8446 6.2 names: OpenSSL writes them with blanks and a few capitals. */
static void alert_name(char *name, size_t size, int description)
{
	size_t i;

	snprintf(name, size, "%s", SSL_alert_desc_string_long(description));
	for (i = 0; name[i]; i++) {
		if (name[i] == ' ')
			name[i] = '_';
		else if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] + 'a' - 'A');
	}
}

static void alert_received(struct peer *p, int level, int description)
{
	char name[ORDER_WORD - 10];
	bool warning = level != ALERT_FATAL;

	/* RFC 8446 6: the level means nothing in TLS 1.3, the description everything. */
	if (opt.tls13)
		warning = description == SSL_AD_CLOSE_NOTIFY || description == SSL_AD_USER_CANCELLED;
	alert_name(name, sizeof(name), description);
	if (warning && description == SSL_AD_CLOSE_NOTIFY) {
		p->close_notify++;
		note(p, "", "close_notify");
	} else if (warning) {
		note(p, "warning:", name);
	} else {
		p->broken = true;
		snprintf(p->fatal, sizeof(p->fatal), "%s", name);
		note(p, "fatal:", name);
	}
}

static void broke(struct peer *p, const char *reason)
{
	p->broken = true;
	if (!p->error[0])
		snprintf(p->error, sizeof(p->error), "%s", reason ? reason : "unknown TLS error");
}

/* HKDF-Expand-Label, RFC 8446 7.1, for no more than one block of the hash. */
static void expand(const struct peer *p, const char *label, unsigned char *out, int size)
{
	const EVP_MD *md = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(p->ssl));
	unsigned char info[64], block[EVP_MAX_MD_SIZE];
	size_t n = strlen(label);

	info[0] = 0;
	info[1] = (unsigned char)size;
	info[2] = (unsigned char)(6 + n);
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, n);
	info[9 + n] = 0; /* no context */
	info[10 + n] = 1;
	if (!HMAC(md, p->secret, p->secret_size, info, 11 + n, block, NULL))
		die_openssl("HMAC");
	memcpy(out, block, (size_t)size);
}

/* The peer has sent KeyUpdate: RFC 8446 7.2. */
static void next_secret(struct peer *p)
{
	if (p->secret_size)
		expand(p, "traffic upd", p->secret, p->secret_size);
	p->sequence = 0;
}

static void on_secret(const SSL *ssl, const char *line)
{
	const char *wanted = opt.server ? "CLIENT_TRAFFIC_SECRET_0 " : "SERVER_TRAFFIC_SECRET_0 ";
	struct peer *p = SSL_get_app_data(ssl);
	const char *hex = strrchr(line, ' ');
	unsigned int byte;

	if (strncmp(line, wanted, strlen(wanted)))
		return;
	p->secret_size = 0;
	for (hex++; p->secret_size < EVP_MAX_MD_SIZE && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		p->secret[p->secret_size++] = (unsigned char)byte;
}

/* Decrypts a TLS 1.3 record (RFC 8446 5.2) into plain; the last byte is its content type. Size, or 0. */
static int open_record(const struct peer *p, const unsigned char *record, size_t size, unsigned char *plain)
{
	const EVP_CIPHER *cipher =
		EVP_get_cipherbynid(SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(p->ssl)));
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char key[EVP_MAX_KEY_LENGTH], nonce[12], tag[16];
	int i, n = 0, end = 0, body = (int)size - HEADER_SIZE - (int)sizeof(tag);

	if (!ctx || !cipher || body < 1)
		goto out;
	expand(p, "key", key, EVP_CIPHER_key_length(cipher));
	expand(p, "iv", nonce, sizeof(nonce));
	for (i = 0; i < 8; i++)
		nonce[4 + i] ^= (unsigned char)(p->sequence >> (56 - 8 * i));
	memcpy(tag, record + HEADER_SIZE + body, sizeof(tag));
	if (EVP_DecryptInit_ex(ctx, cipher, NULL, key, nonce) &&
	    EVP_DecryptUpdate(ctx, NULL, &n, record, HEADER_SIZE) &&
	    EVP_DecryptUpdate(ctx, plain, &n, record + HEADER_SIZE, body) &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) &&
	    EVP_DecryptFinal_ex(ctx, plain + n, &end))
		while (n && !plain[n - 1]) /* padding */
			n--;
	else
		n = 0;
out:
	EVP_CIPHER_CTX_free(ctx);
	return n;
}

/*
 * From 3.2 on, OpenSSL never lets go of a TLS 1.3 close_notify: its next read finds the same record again. So
 * what follows one is read by hand.
 */
static void record_after_end(struct peer *p, const unsigned char *record, size_t size)
{
	unsigned char plain[RECORD_SIZE];
	int n = open_record(p, record, size, plain);

	p->sequence++;
	if (n == 3 && plain[2] == SSL3_RT_ALERT) {
		alert_received(p, plain[0], plain[1]);
		return;
	}
	note(p, "", "garbage");
	if (!n)
		broke(p, "bad record mac");
}

static void on_message(int sent, int version, int type, const void *buf, size_t size, SSL *ssl, void *arg)
{
	const unsigned char *bytes = buf;
	struct peer *p = arg;

	(void)version;
	(void)ssl;
	if (type == SSL3_RT_HANDSHAKE && !sent && size && bytes[0] == SSL3_MT_KEY_UPDATE)
		next_secret(p);
	if (type != SSL3_RT_ALERT || size != 2)
		return;
	if (!sent)
		alert_received(p, bytes[0], bytes[1]);
	else if (bytes[1] == SSL_AD_CLOSE_NOTIFY)
		p->close_notify_made = true;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct peer *p = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)arg;
	if (name) {
		snprintf(p->sni, sizeof(p->sni), "%s", name);
		p->has_sni = true;
	}
	return SSL_TLSEXT_ERR_OK;
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept_session);
	kept_session = session;
	return 1;
}

static void data_received(struct peer *p, const unsigned char *data, size_t size)
{
	static const char blank_line[] = "\r\n\r\n";
	size_t i;

	note(p, "", "data");
	p->received += size;
	EVP_DigestUpdate(p->sha256, data, size);
	for (i = 0; i < size && !p->head_seen; i++) {
		if (data[i] == (unsigned char)blank_line[p->head_match])
			p->head_match++;
		else
			p->head_match = data[i] == '\r';
		p->head_seen = p->head_match == 4;
	}
}

/* Moves what OpenSSL wants to say to the wire; after our own goodbye nothing may follow. */
static void collect(struct peer *p)
{
	char *data;
	long size = BIO_get_mem_data(p->out, &data);

	if (size > 0 && !p->closed_for_writing)
		BIO_write(p->wire, data, (int)size);
	(void)BIO_reset(p->out);
}

/* Looks at why OpenSSL stopped. Both shutdown flags are cleared each time, else it would read no further. */
static void stopped(struct peer *p, int result)
{
	int error = SSL_get_error(p->ssl, result);

	if (error == SSL_ERROR_ZERO_RETURN) {
		SSL_set_shutdown(p->ssl, 0);
	} else if (error != SSL_ERROR_WANT_READ && !p->fatal[0]) {
		broke(p, ERR_reason_error_string(ERR_peek_error()));
		if (p->handshake)
			note(p, "", "garbage");
	}
}

static void continue_handshake(struct peer *p)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(p->ssl);
	if (result == 1) {
		p->handshake = true;
		note(p, "", "handshake");
	} else {
		stopped(p, result);
	}
	collect(p);
}

static void record_received(struct peer *p, const unsigned char *record, size_t size)
{
	unsigned char data[READ_SIZE];
	bool after_end = p->close_notify > 0;
	size_t events = p->order_size, n;
	int result;

	if (after_end)
		p->records_after++;
	if (p->broken) {
		if (p->handshake)
			note(p, "", "garbage");
		return;
	}
	if (after_end && p->handshake && opt.tls13) {
		record_after_end(p, record, size);
		return;
	}
	if (p->handshake && record[0] == SSL3_RT_APPLICATION_DATA)
		p->sequence++;
	BIO_write(p->in, record, (int)size);
	if (!p->handshake)
		continue_handshake(p);
	if (!p->handshake)
		return;
	ERR_clear_error();
	while ((result = SSL_read_ex(p->ssl, data, sizeof(data), &n)) == 1)
		if (!after_end) /* RFC 8446 6.1: any data after close_notify must be ignored */
			data_received(p, data, n);
	stopped(p, result);
	collect(p);
	if (after_end && p->order_size == events)
		note(p, "", "garbage");
}

static bool is_record_header(const unsigned char *h)
{
	size_t size = (size_t)h[3] << 8 | h[4];

	return h[0] >= SSL3_RT_CHANGE_CIPHER_SPEC && h[0] <= SSL3_RT_APPLICATION_DATA &&
	       h[1] == SSL3_VERSION_MAJOR && size <= RECORD_SIZE - HEADER_SIZE;
}

static void cut_records(struct peer *p)
{
	size_t start = 0, size;

	while (!p->unframed && p->stream_size - start >= HEADER_SIZE) {
		const unsigned char *h = p->stream + start;

		if (!is_record_header(h)) {
			broke(p, "not a TLS record");
			p->unframed = true;
			break;
		}
		size = HEADER_SIZE + ((size_t)h[3] << 8 | h[4]);
		if (p->stream_size - start < size)
			break;
		record_received(p, h, size);
		start += size;
	}
	if (p->unframed) {
		note(p, "", "garbage");
		start = p->stream_size;
	}
	p->stream_size -= start;
	memmove(p->stream, p->stream + start, p->stream_size);
}

static void ended(struct peer *p, enum end end)
{
	if (p->stream_size)
		note(p, "", "partial_record");
	note(p, "", end_names[end]);
	p->end = end;
}

static void skip_plain_text(struct peer *p)
{
	size_t n = (size_t)opt.skip - p->skipped;

	n = n < p->stream_size ? n : p->stream_size;
	p->skipped += n;
	p->stream_size -= n;
	memmove(p->stream, p->stream + n, p->stream_size);
}

static void read_socket(struct peer *p)
{
	ssize_t n = recv(p->fd, p->stream + p->stream_size, READ_SIZE, 0);

	if (n > 0) {
		p->stream_size += (size_t)n;
		skip_plain_text(p);
		cut_records(p);
		if (p->handshake)
			p->read_at = now_ms() + opt.read_pause_ms;
	} else if (n == 0) {
		/* A send that met the RST has taken the socket's error with it: recv then says 0. */
		ended(p, p->reset_on_send ? END_RST : END_FIN);
	} else if (errno != EAGAIN && errno != EINTR) {
		if (errno != ECONNRESET)
			broke(p, strerror(errno));
		ended(p, END_RST);
	}
}

/* ---- what the judge says ---- */

static void stop_writing(struct peer *p)
{
	p->closed_for_writing = true;
	p->in_flight = 0;
	(void)BIO_reset(p->wire);
}

/* Gives the wire to the kernel. True when nothing is left to give. */
static bool push(struct peer *p)
{
	static char taken[READ_SIZE];
	char *data;
	long left;
	ssize_t n;

	while ((left = BIO_get_mem_data(p->wire, &data)) > 0) {
		n = send(p->fd, data, left < READ_SIZE ? (size_t)left : READ_SIZE, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n < 0) {
			/* ECONNRESET: RST before any FIN. EPIPE: RST after the FIN, the end stays a FIN. */
			p->reset_on_send = errno == ECONNRESET;
			p->send_errno = errno;
			stop_writing(p);
			return true;
		}
		BIO_read(p->wire, taken, (int)n);
	}
	p->sent += p->in_flight;
	p->in_flight = 0;
	if (p->close_notify_made && !p->send_errno)
		p->close_notify_sent = true;
	if (p->want_fin && !p->fin_sent) {
		shutdown(p->fd, SHUT_WR);
		p->fin_sent = true;
	}
	return true;
}

static void say(struct peer *p, const void *data, size_t size)
{
	size_t n;

	ERR_clear_error();
	if (SSL_write_ex(p->ssl, data, size, &n) != 1)
		broke(p, ERR_reason_error_string(ERR_peek_error()));
}

static void say_close_notify(struct peer *p)
{
	ERR_clear_error();
	SSL_shutdown(p->ssl);
	SSL_set_shutdown(p->ssl, 0); /* go on reading, and able to say it again */
}

/*
 * OpenSSL sends a fatal alert only after breaking its own connection, and could then not read what the peer
 * answers. So a child breaks its copy on a bad record and hands over the encrypted alert.
 */
static void say_fatal_alert(struct peer *p)
{
	static const unsigned char bad[HEADER_SIZE + 32] = {SSL3_RT_APPLICATION_DATA, 3, 3, 0, 32};
	unsigned char alert[1024], byte;
	ssize_t size;
	int ends[2];
	pid_t child;

	if (pipe(ends) < 0)
		die_errno("pipe");
	child = fork();
	if (child < 0)
		die_errno("fork");
	if (!child) {
		BIO_write(p->in, bad, sizeof(bad));
		SSL_read(p->ssl, &byte, 1);
		size = BIO_read(p->out, alert, sizeof(alert));
		_exit(size <= 0 || write(ends[1], alert, (size_t)size) != size);
	}
	close(ends[1]);
	size = read(ends[0], alert, sizeof(alert));
	close(ends[0]);
	if (waitpid(child, NULL, 0) < 0 || size <= 0)
		die(EXIT_BROKEN, "no fatal alert could be made");
	BIO_write(p->wire, alert, (int)size);
}

static void say_half_record(struct peer *p)
{
	static const char payload[1000];
	char *data;
	long size;

	say(p, payload, sizeof(payload));
	size = BIO_get_mem_data(p->out, &data);
	BIO_write(p->wire, data, (int)(size / 2));
	(void)BIO_reset(p->out);
}

static void say_corrupt_record(struct peer *p)
{
	static const char payload[100];
	char *data;
	long size;

	say(p, payload, sizeof(payload));
	size = BIO_get_mem_data(p->out, &data);
	data[size - 1] ^= 1;
}

static void end_first(struct peer *p)
{
	p->first_done = true;
	p->want_fin = opt.first != FIRST_CLOSE_NOTIFY;
	switch (opt.first) {
	case FIRST_CLOSE_NOTIFY:
	case FIRST_BOTH:
		say_close_notify(p);
		break;
	case FIRST_CLOSE_NOTIFY_RST:
		say_close_notify(p);
		/* fall through */
	case FIRST_RST:
		p->want_fin = false;
		p->want_rst = true;
		break;
	case FIRST_FATAL:
		say_fatal_alert(p);
		break;
	case FIRST_HALF_RECORD:
		say_half_record(p);
		break;
	case FIRST_CORRUPT_RECORD:
		say_corrupt_record(p);
		break;
	case FIRST_TWO_CLOSE_NOTIFY:
		say_close_notify(p);
		say_close_notify(p);
		break;
	case FIRST_DATA_AFTER:
		say_close_notify(p);
		say(p, "more", 4);
		break;
	default: /* FIRST_FIN */
		break;
	}
	collect(p);
	p->closed_for_writing = true;
}

/* The peer has ended its side by close_notify, FIN, fatal alert or nonsense: end ours. */
static void answer(struct peer *p)
{
	p->answered = true;
	if (opt.silent_end || p->want_rst)
		return;
	if (p->close_notify && !p->broken && !p->closed_for_writing) {
		say_close_notify(p);
		collect(p);
	}
	p->closed_for_writing = true;
	p->want_fin = true;
}

static bool peer_ended(const struct peer *p)
{
	return p->close_notify || p->broken || p->end != END_OPEN;
}

static bool body_is_due(const struct peer *p)
{
	switch (opt.when) {
	case WHEN_REQUEST:
		return p->received > 0;
	case WHEN_EOF:
		return p->close_notify || p->end == END_FIN;
	case WHEN_HTTP:
		return p->head_seen;
	default:
		return true;
	}
}

/* The pattern of --send and --http: a to z, over and over. */
static size_t next_body(const struct peer *p, char *chunk, size_t size)
{
	size_t n = 0;
	uint64_t at;

	for (at = p->off; n < size && at < opt.head_size + opt.body_size; at++)
		chunk[n++] = at < opt.head_size ? opt.head[at] : (char)('a' + (at - opt.head_size) % 26);
	return n;
}

/* Encrypts at most one record more, so that `sent` counts whole records the kernel took. */
static bool say_next(struct peer *p)
{
	char chunk[16384];
	size_t n = opt.request_size - p->request_off;

	if (n) {
		n = n < sizeof(chunk) ? n : sizeof(chunk);
		say(p, opt.request + p->request_off, n);
		p->request_off += n;
	} else {
		n = body_is_due(p) ? next_body(p, chunk, sizeof(chunk)) : 0;
		if (!n)
			return false;
		say(p, chunk, n);
		p->off += n;
	}
	p->in_flight = n;
	collect(p);
	return true;
}

static bool all_said(const struct peer *p)
{
	return p->request_off == opt.request_size && p->off == opt.head_size + opt.body_size;
}

/* Says whatever can be said now. True when there is nothing more to say until the peer does something. */
static bool write_socket(struct peer *p)
{
	for (;;) {
		if (!push(p))
			return false;
		if (p->end == END_RST)
			stop_writing(p);
		if (p->handshake && !p->broken && !p->closed_for_writing) {
			if (say_next(p))
				continue;
			if (opt.first && !p->first_done && all_said(p) &&
			    (told || p->received >= opt.first_after)) {
				end_first(p);
				continue;
			}
		}
		if (!p->answered && peer_ended(p)) {
			answer(p);
			continue;
		}
		return true;
	}
}

/* ---- the verdict ---- */

static const char *verdict(const struct peer *p)
{
	if (p->end == END_TIMEOUT)
		return "timeout";
	if (!p->handshake)
		return "no_handshake";
	if (p->end == END_OPEN)
		return "open";
	if (p->end == END_RST)
		return "reset";
	if (p->fatal[0] && !p->close_notify) /* RFC 8446 6.1: what comes after close_notify is ignored */
		return "aborted";
	if (!p->close_notify)
		return "truncated";
	if (p->order_size < 2 || strcmp(p->order[p->order_size - 2], "close_notify"))
		return "unclean";
	return p->records_after ? "unclean" : "closed";
}

static void print_string(const char *key, const char *value)
{
	if (key)
		printf("\"%s\":", key);
	if (!value) {
		fputs("null,", stdout);
		return;
	}
	putchar('"');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			printf("\\u%04x", (unsigned int)c);
		else
			putchar(c);
	}
	fputs("\",", stdout);
}

static void print_bool(const char *key, bool value)
{
	printf("\"%s\":%s,", key, value ? "true" : "false");
}

static const char *errno_name(int error)
{
	if (!error)
		return NULL;
	return error == EPIPE ? "EPIPE" : error == ECONNRESET ? "ECONNRESET" : strerror(error);
}

static void report(struct peer *p)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int size = 0, i;
	size_t e;

	EVP_DigestFinal_ex(p->sha256, digest, &size);
	printf("{\"connection\":%d,", p->number);
	print_string("role", opt.server ? "server" : "client");
	print_string("tls", tls_names[opt.tls13]);
	print_bool("handshake", p->handshake);
	print_bool("resumed", p->handshake && SSL_session_reused(p->ssl));
	print_string("sni", p->has_sni ? p->sni : NULL);
	printf("\"bytes\":%" PRIu64 ",\"sha256\":\"", p->received);
	for (i = 0; i < size; i++)
		printf("%02x", digest[i]);
	printf("\",\"sent\":%" PRIu64 ",", p->sent);
	print_string("send_error", errno_name(p->send_errno));
	printf("\"close_notify\":%d,", p->close_notify);
	print_bool("close_notify_sent", p->close_notify_sent);
	print_string("fatal", p->fatal[0] ? p->fatal : NULL);
	print_string("end", end_names[p->end]);
	print_bool("rst_after_fin", p->rst_after_fin);
	print_string("error", p->error[0] ? p->error : NULL);
	printf("\"records_after_close_notify\":%" PRIu64 ",\"order\":[", p->records_after);
	for (e = 0; e < p->order_size; e++)
		printf("%s\"%s\"", e ? "," : "", p->order[e]);
	printf("],\"verdict\":\"%s\"}\n", verdict(p));
	if (fflush(stdout))
		die_errno("stdout");
}

/* ---- the life of a connection ---- */

static struct peer *meet(SSL_CTX *ctx, int fd, int number)
{
	struct peer *p = calloc(1, sizeof(*p));
	int on = 1;

	if (!p)
		die_errno("calloc");
	p->fd = fd;
	p->number = number;
	p->deadline = now_ms() + opt.timeout_ms;
	p->ssl = SSL_new(ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	p->wire = BIO_new(BIO_s_mem());
	p->sha256 = EVP_MD_CTX_new();
	if (!p->ssl || !p->in || !p->out || !p->wire || !p->sha256 ||
	    !EVP_DigestInit_ex(p->sha256, EVP_sha256(), NULL))
		die_openssl("new connection");
	BIO_set_mem_eof_return(p->in, -1); /* empty means "later", never EOF */
	SSL_set_bio(p->ssl, p->in, p->out);
	SSL_set_app_data(p->ssl, p);
	SSL_set_msg_callback(p->ssl, on_message);
	SSL_set_msg_callback_arg(p->ssl, p);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (opt.server) {
		SSL_set_accept_state(p->ssl);
		return p;
	}
	SSL_set_connect_state(p->ssl);
	if (opt.sni) {
		SSL_set_tlsext_host_name(p->ssl, opt.sni);
		snprintf(p->sni, sizeof(p->sni), "%s", opt.sni);
		p->has_sni = true;
	}
	if (kept_session)
		SSL_set_session(p->ssl, kept_session);
	continue_handshake(p);
	return p;
}

static void part(struct peer *p)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int error = 0;
	socklen_t size = sizeof(error);

	if (p->end == END_FIN && !getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &size))
		p->rst_after_fin = error || p->send_errno;
	if (p->want_rst)
		setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(p->fd);
	report(p);
	/*
	 * RFC 5246 7.2.1: an improper close does not forbid resumption, and whether a session lives on is
	 * for the other side to show. SSL_free would withdraw it if no close_notify had been sent.
	 */
	SSL_set_shutdown(p->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(p->ssl);
	BIO_free(p->wire);
	EVP_MD_CTX_free(p->sha256);
	free(p);
}

static bool unacknowledged(int fd)
{
	int queued = 0;

	return !ioctl(fd, SIOCOUTQ, &queued) && queued > 0;
}

/* One look at a connection. True when it has been judged and may be parted from. */
static bool advance(struct peer *p, bool readable)
{
	int64_t now;
	bool quiet;

	if (readable && p->end == END_OPEN)
		read_socket(p);
	quiet = write_socket(p);
	now = now_ms();
	if (p->close_at)
		return told || now >= p->close_at;
	if (quiet && p->want_rst && !unacknowledged(p->fd)) /* RST would take queued bytes with it */
		return true;
	if (quiet && p->end != END_OPEN) {
		p->close_at = now + opt.linger_open_ms;
		return told || !opt.linger_open_ms;
	}
	if (now < p->deadline && (!told || opt.first || opt.linger_open_ms))
		return false;
	if (p->end == END_OPEN)
		p->end = END_TIMEOUT;
	return true;
}

static bool may_read(const struct peer *p, int64_t now)
{
	if (p->end != END_OPEN || p->close_at)
		return false;
	if (opt.never_read && p->handshake)
		return p->peer_gone; /* all has arrived: reading no longer helps the peer */
	return now >= p->read_at;
}

/* Lingering after the peer's FIN, only RST can come. With both FINs sent, poll would report POLLHUP forever.
 */
static bool may_see_rst(const struct peer *p)
{
	return p->close_at && !p->fin_sent;
}

/* What to wait for. No interest means no descriptor, because poll always reports POLLHUP and POLLERR. */
static void interest(const struct peer *p, struct pollfd *w, int64_t now)
{
	w->events = 0;
	w->revents = 0;
	if (may_read(p, now))
		w->events |= POLLIN;
	else if (opt.never_read && p->end == END_OPEN)
		w->events |= POLLRDHUP;
	if (BIO_ctrl_pending(p->wire))
		w->events |= POLLOUT;
	w->fd = w->events || may_see_rst(p) ? p->fd : -1;
}

static int64_t wake_at(const struct peer *p, int64_t now)
{
	if (p->close_at)
		return p->close_at;
	if (p->want_rst)
		return now + 1;
	if (now < p->read_at && p->read_at < p->deadline)
		return p->read_at;
	return p->deadline;
}

static void on_signal(int signal)
{
	(void)signal;
	told = 1;
}

/* Waits for the descriptors, for some milliseconds, and for SIGUSR1, which comes only if no descriptor is ready. */
static void wait_for(struct pollfd *watch, int count, int64_t ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	sigset_t none;

	sigemptyset(&none);
	if (ppoll(watch, (nfds_t)count, &time, &none) < 0 && errno != EINTR)
		die_errno("poll");
}

static void let_be_told(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	sigaction(SIGUSR1, &action, NULL);
}

/* Judges `total` connections, all that come from the listener at once, or the single one given. */
static void judge(SSL_CTX *ctx, int listener, struct peer *only, int total)
{
	struct peer **peers = calloc((size_t)total, sizeof(struct peer *));
	struct pollfd *watch = calloc((size_t)total + 1, sizeof(struct pollfd));
	int met = 0, active = 0, i, kept, fd;
	int64_t now = now_ms(), idle_since = now, wake;

	if (!peers || !watch)
		die_errno("calloc");
	if (only) {
		peers[active++] = only;
		met = 1;
	}
	while (met < total || active) {
		now = now_ms();
		wake = active ? INT64_MAX : idle_since + opt.accept_timeout_ms;
		if (!active && now >= wake)
			die(EXIT_BROKEN, "no connection came within %d ms", opt.accept_timeout_ms);
		for (i = 0; i < active; i++) {
			interest(peers[i], &watch[i], now);
			if (wake_at(peers[i], now) < wake)
				wake = wake_at(peers[i], now);
		}
		watch[active].fd = met < total ? listener : -1;
		watch[active].events = POLLIN;
		watch[active].revents = 0;
		wait_for(watch, active + 1, wake > now ? wake - now : 0);
		fd = watch[active].revents ? accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
		for (i = 0, kept = 0; i < active; i++) {
			if (watch[i].revents & (POLLRDHUP | POLLHUP | POLLERR))
				peers[i]->peer_gone = true;
			if (watch[i].revents & POLLERR && may_see_rst(peers[i]))
				peers[i]->close_at = now;
			if (advance(peers[i], watch[i].revents && may_read(peers[i], now_ms())))
				part(peers[i]);
			else
				peers[kept++] = peers[i];
		}
		if (active && !kept)
			idle_since = now_ms();
		active = kept;
		if (fd >= 0)
			peers[active++] = meet(ctx, fd, ++met);
		if (met == total && listener >= 0) {
			close(listener);
			listener = -1;
		}
	}
	free(peers);
	free(watch);
}

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* The loopback address of one family or the other. */
union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int new_socket(union address *address)
{
	int fd = socket(opt.ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			opt.mptcp ? IPPROTO_MPTCP : IPPROTO_TCP);

	if (fd < 0)
		die_errno("socket");
	if (opt.rcvbuf && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &opt.rcvbuf, sizeof(opt.rcvbuf)) < 0)
		die_errno("SO_RCVBUF");
	memset(address, 0, sizeof(*address));
	if (opt.ipv6)
		address->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
						    .sin6_addr = in6addr_loopback,
						    .sin6_port = htons((uint16_t)opt.port)};
	else
		address->v4 = (struct sockaddr_in){.sin_family = AF_INET,
						   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
						   .sin_port = htons((uint16_t)opt.port)};
	return fd;
}

static void serve(SSL_CTX *ctx)
{
	union address address;
	socklen_t size = sizeof(address);
	int fd = new_socket(&address), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &address.any, opt.ipv6 ? sizeof(address.v6) : sizeof(address.v4)) < 0)
		die_errno("bind");
	if (listen(fd, SOMAXCONN) < 0)
		die_errno("listen");
	if (getsockname(fd, &address.any, &size) < 0)
		die_errno("getsockname");
	/* the port stands at the same place in both */
	printf("listening %d\n", ntohs(address.v4.sin_port));
	fflush(stdout);
	judge(ctx, fd, NULL, opt.connections);
}

static int connect_to_server(void)
{
	union address address;
	int fd = new_socket(&address), error = 0;
	socklen_t size = sizeof(error);
	struct pollfd ready = {.fd = fd, .events = POLLOUT};

	if (connect(fd, &address.any, opt.ipv6 ? sizeof(address.v6) : sizeof(address.v4)) < 0 &&
	    errno != EINPROGRESS)
		die_errno("connect");
	if (poll(&ready, 1, opt.timeout_ms) != 1)
		die(EXIT_BROKEN, "connect: nothing within %d ms", opt.timeout_ms);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		die_errno("SO_ERROR");
	if (error)
		die(EXIT_BROKEN, "connect: %s", strerror(error));
	return fd;
}

static void load_session(void)
{
	BIO *file = opt.session_file ? BIO_new_file(opt.session_file, "r") : NULL;

	if (!file)
		return;
	kept_session = PEM_read_bio_SSL_SESSION(file, NULL, NULL, NULL);
	BIO_free(file);
	if (!kept_session)
		die_openssl(opt.session_file);
}

static void save_session(void)
{
	BIO *file;

	if (!opt.session_file || !kept_session)
		return;
	file = BIO_new_file(opt.session_file, "w");
	if (!file || !PEM_write_bio_SSL_SESSION(file, kept_session))
		die_openssl(opt.session_file);
	BIO_free(file);
}

static void visit(SSL_CTX *ctx)
{
	int i, total = opt.connections * opt.repeat;

	for (i = 1; i <= total; i++) {
		if ((i - 1) % opt.repeat == 0) { /* a new visitor */
			SSL_SESSION_free(kept_session);
			kept_session = NULL;
			load_session();
		}
		judge(ctx, -1, meet(ctx, connect_to_server(), i), 1);
		save_session();
	}
	SSL_SESSION_free(kept_session);
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static void configure_server(SSL_CTX *ctx)
{
	if (opt.ask_certificate)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"judge", 5);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	if (opt.session_ids || opt.tickets == 0)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (!opt.session_ids)
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (opt.tickets >= 0)
		SSL_CTX_set_num_tickets(ctx, (size_t)opt.tickets);
}

static SSL_CTX *new_context(void)
{
	int version = opt.tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
	SSL_CTX *ctx = SSL_CTX_new(opt.server ? TLS_server_method() : TLS_client_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, version) ||
	    !SSL_CTX_set_max_proto_version(ctx, version))
		die_openssl("new context");
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF); /* a configuration file may have set it */
#endif
	if (!opt.renegotiate)
		SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
#ifdef SSL_OP_ALLOW_CLIENT_RENEGOTIATION
	else
		SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
#endif
	if (opt.groups && SSL_CTX_set1_groups_list(ctx, opt.groups) != 1)
		die_openssl(opt.groups);
	if (opt.cert && SSL_CTX_use_certificate_chain_file(ctx, opt.cert) != 1)
		die_openssl(opt.cert);
	if (opt.key && SSL_CTX_use_PrivateKey_file(ctx, opt.key, SSL_FILETYPE_PEM) != 1)
		die_openssl(opt.key);
	SSL_CTX_set_keylog_callback(ctx, on_secret);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	if (opt.server) {
		configure_server(ctx);
	} else {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, on_new_session);
	}
	return ctx;
}

/* ---- the command line ---- */

enum role { SERVER = 1, CLIENT = 2, EITHER = SERVER | CLIENT };

enum option_code {
	O_HELP = 256,
	O_TLS,
	O_CERT,
	O_KEY,
	O_PORT,
	O_CONNECTIONS,
	O_REPEAT,
	O_TIMEOUT,
	O_ACCEPT_TIMEOUT,
	O_NO_TICKETS,
	O_SESSION_IDS,
	O_TICKETS,
	O_SNI,
	O_SESSION_FILE,
	O_REQUEST,
	O_SEND,
	O_SEND_WHEN,
	O_HTTP,
	O_NO_LENGTH,
	O_FIRST,
	O_FIRST_AFTER,
	O_SILENT_END,
	O_LINGER_OPEN,
	O_READ_PAUSE,
	O_SKIP,
	O_RCVBUF,
	O_NEVER_READ,
	O_IPV6,
	O_MPTCP,
	O_GROUPS,
	O_ASK_CERTIFICATE,
	O_RENEGOTIATE,
};

static const struct {
	const char *name, *argument;
	enum role role;
	enum option_code code;
	const char *help;
} options[] = {
	{"help", NULL, EITHER, O_HELP, "show this"},
	{"tls", "1.2|1.3", EITHER, O_TLS, "the one version spoken (1.3)"},
	{"cert", "FILE", EITHER, O_CERT, "certificate chain, PEM; a client's for a server that asks"},
	{"key", "FILE", EITHER, O_KEY, "private key, PEM"},
	{"port", "N", EITHER, O_PORT, "port (server: 0, the kernel chooses)"},
	{"connections", "N", EITHER, O_CONNECTIONS, "how many to judge; server: side by side (1)"},
	{"repeat", "N", CLIENT, O_REPEAT, "N connections in a row, each resuming the one before (1)"},
	{"timeout-ms", "N", EITHER, O_TIMEOUT, "longest life of a connection (60000)"},
	{"accept-timeout-ms", "N", SERVER, O_ACCEPT_TIMEOUT, "longest time without any connection (60000)"},
	{"no-tickets", NULL, SERVER, O_NO_TICKETS, "no session tickets, no resumption"},
	{"session-ids", NULL, SERVER, O_SESSION_IDS, "TLS 1.2: session ids instead of tickets"},
	{"tickets", "N", SERVER, O_TICKETS, "TLS 1.3: how many tickets"},
	{"sni", "NAME", CLIENT, O_SNI, "server name to ask for"},
	{"session-file", "FILE", CLIENT, O_SESSION_FILE,
	 "resume from it if it exists; keep the session in it"},
	{"request", "STRING", EITHER, O_REQUEST, "sent after the handshake; escapes \\r \\n \\t \\0 \\\\"},
	{"send", "BYTES", EITHER, O_SEND, "send so many bytes, a to z over and over"},
	{"send-when", "WHEN", EITHER, O_SEND_WHEN, "handshake, request (first data came), eof (peer ended)"},
	{"http", "BODYBYTES", EITHER, O_HTTP, "answer a request head with HTTP/1.0 200 and such a body"},
	{"no-length", NULL, EITHER, O_NO_LENGTH, "--http without Content-Length"},
	{"first", "WHAT", EITHER, O_FIRST, "end first, once all is sent; WHAT is one of the list below"},
	{"first-after", "BYTES", EITHER, O_FIRST_AFTER,
	 "but not before so many bytes came from the peer (0)"},
	{"silent-end", NULL, EITHER, O_SILENT_END, "no close_notify, no FIN in answer to the peer's end"},
	{"linger-open-ms", "N", EITHER, O_LINGER_OPEN, "keep the socket so long after the peer's FIN (0)"},
	{"skip", "N", EITHER, O_SKIP, "so many bytes of plain text come before TLS (0)"},
	{"read-pause-ms", "N", EITHER, O_READ_PAUSE, "wait between reads of at most 16384 bytes (0)"},
	{"rcvbuf", "BYTES", EITHER, O_RCVBUF, "SO_RCVBUF before listen or connect"},
	{"never-read", NULL, EITHER, O_NEVER_READ,
	 "no reads after the handshake until the peer's FIN or RST is there"},
	{"ipv6", NULL, EITHER, O_IPV6, "on ::1 and not on 127.0.0.1"},
	{"mptcp", NULL, EITHER, O_MPTCP, "Multipath TCP"},
	{"groups", "LIST", EITHER, O_GROUPS,
	 "key exchange groups; a server's P-384:P-256 make it send HelloRetryRequest"},
	{"ask-certificate", NULL, SERVER, O_ASK_CERTIFICATE, "ask the client for a certificate; any will do"},
	{"renegotiate", NULL, EITHER, O_RENEGOTIATE, "TLS 1.2: take part in a renegotiation"},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static void show_help(void)
{
	char left[48];
	size_t i;

	puts("Usage: judge server --cert FILE --key FILE [options]\n"
	     "       judge client --port N [options]\n\n"
	     "A TLS peer that tells how the other side ended: one JSON line for each connection.\n"
	     "The server prints 'listening PORT' first. All on the loopback address; certificates aren't "
	     "verified.\n");
	for (i = 0; i < OPTIONS; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", options[i].name, options[i].argument ? " " : "",
			 options[i].argument ? options[i].argument : "");
		printf("  %-24s %s%s\n", left, options[i].help,
		       options[i].role == SERVER   ? " [server]"
		       : options[i].role == CLIENT ? " [client]"
						   : "");
	}
	puts("\nWHAT: close_notify   the alert, TCP stays open       fin   FIN without the alert\n"
	     "      both           the alert, then FIN             rst   RST\n"
	     "      fatal          a fatal alert, then FIN         close_notify_rst\n"
	     "      half_record    half a data record, then FIN    corrupt_record\n"
	     "      two_close_notify   data_after_close_notify     (each then FIN)\n\n"
	     "Verdicts: closed (one close_notify, then FIN, nothing else between), unclean (close_notify and "
	     "FIN, but\n"
	     "more besides), truncated (FIN alone), reset, aborted (fatal alert, no close_notify before "
	     "it),\n"
	     "no_handshake, timeout,\n"
	     "open (the judge's own RST came first).\n\n"
	     "SIGUSR1: now is the time for --first, or to linger open no longer; without either, to give "
	     "up.\n\n"
	     "Exit status: 0 all were judged, 1 internal failure, 2 usage.");
}

static uint64_t number(const char *name, const char *text, uint64_t low, uint64_t high)
{
	unsigned long long value;
	char *rest;

	errno = 0;
	value = strtoull(text, &rest, 10);
	if (errno || *text < '0' || *text > '9' || *rest || value < low || value > high)
		die(EXIT_USAGE, "--%s '%s': accepted is a number from %" PRIu64 " to %" PRIu64, name, text,
		    low, high);
	return value;
}

static int small_number(const char *name, const char *text, int low, int high)
{
	return (int)number(name, text, (uint64_t)low, (uint64_t)high);
}

static int word(const char *name, const char *text, const char *const *accepted)
{
	char list[256] = "";
	size_t used = 0;
	int i;

	for (i = 0; accepted[i]; i++)
		if (!strcmp(text, accepted[i]))
			return i;
	for (i = 0; accepted[i]; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 accepted[i]);
	die(EXIT_USAGE, "--%s '%s': accepted is one of %s", name, text, list);
}

static char *unescape(const char *name, const char *text, size_t *size)
{
	static const char codes[] = "rnt\\0", bytes[] = "\r\n\t\\\0";
	char *out = malloc(strlen(text) + 1), *to = out;
	const char *code;

	if (!out)
		die_errno("malloc");
	for (; *text; text++) {
		if (*text != '\\') {
			*to++ = *text;
			continue;
		}
		code = text[1] ? strchr(codes, *++text) : NULL;
		if (!code)
			die(EXIT_USAGE, "--%s: a backslash is accepted only in \\r \\n \\t \\0 \\\\", name);
		*to++ = bytes[code - codes];
	}
	*size = (size_t)(to - out);
	return out;
}

static void set_option(int code, const char *name, const char *arg)
{
	static const uint64_t most_bytes = UINT64_C(1) << 40;
	static const int most_ms = 3600000;

	switch ((enum option_code)code) {
	case O_HELP:
		show_help();
		exit(EXIT_JUDGED);
	case O_TLS:
		opt.tls13 = word(name, arg, tls_names);
		break;
	case O_CERT:
		opt.cert = arg;
		break;
	case O_KEY:
		opt.key = arg;
		break;
	case O_PORT:
		opt.port = small_number(name, arg, opt.server ? 0 : 1, 65535);
		break;
	case O_CONNECTIONS:
		opt.connections = small_number(name, arg, 1, 10000);
		break;
	case O_REPEAT:
		opt.repeat = small_number(name, arg, 1, 10000);
		break;
	case O_TIMEOUT:
		opt.timeout_ms = small_number(name, arg, 1, most_ms);
		break;
	case O_ACCEPT_TIMEOUT:
		opt.accept_timeout_ms = small_number(name, arg, 1, most_ms);
		break;
	case O_NO_TICKETS:
		opt.tickets = 0;
		break;
	case O_SESSION_IDS:
		opt.session_ids = true;
		break;
	case O_TICKETS:
		opt.tickets = small_number(name, arg, 0, 1000);
		break;
	case O_SNI:
		opt.sni = arg;
		break;
	case O_SESSION_FILE:
		opt.session_file = arg;
		break;
	case O_REQUEST:
		free(opt.request);
		opt.request = unescape(name, arg, &opt.request_size);
		break;
	case O_SEND:
		opt.body_size = number(name, arg, 0, most_bytes);
		break;
	case O_SEND_WHEN:
		opt.when = word(name, arg, when_names);
		break;
	case O_HTTP:
		opt.has_http = true;
		opt.http_size = number(name, arg, 0, most_bytes);
		break;
	case O_NO_LENGTH:
		opt.no_length = true;
		break;
	case O_FIRST:
		opt.first = word(name, arg, first_names);
		break;
	case O_FIRST_AFTER:
		opt.first_after = number(name, arg, 0, most_bytes);
		break;
	case O_SILENT_END:
		opt.silent_end = true;
		break;
	case O_LINGER_OPEN:
		opt.linger_open_ms = small_number(name, arg, 0, most_ms);
		break;
	case O_SKIP:
		opt.skip = small_number(name, arg, 0, 1 << 20);
		break;
	case O_READ_PAUSE:
		opt.read_pause_ms = small_number(name, arg, 0, most_ms);
		break;
	case O_RCVBUF:
		opt.rcvbuf = small_number(name, arg, 1, INT_MAX);
		break;
	case O_NEVER_READ:
		opt.never_read = true;
		break;
	case O_IPV6:
		opt.ipv6 = true;
		break;
	case O_MPTCP:
		opt.mptcp = true;
		break;
	case O_GROUPS:
		opt.groups = arg;
		break;
	case O_ASK_CERTIFICATE:
		opt.ask_certificate = true;
		break;
	case O_RENEGOTIATE:
		opt.renegotiate = true;
		break;
	}
}

static void check_options(void)
{
	char length[48] = "";

	if (opt.server && (!opt.cert || !opt.key))
		die(EXIT_USAGE, "server: --cert FILE and --key FILE are required");
	if (!opt.server && !opt.port)
		die(EXIT_USAGE, "client: --port N is required, a number from 1 to 65535");
	if (opt.session_ids && opt.tls13)
		die(EXIT_USAGE, "--session-ids: accepted only with --tls 1.2");
	if (opt.no_length && !opt.has_http)
		die(EXIT_USAGE, "--no-length: accepted only with --http");
	if (opt.has_http && (opt.body_size || opt.when != WHEN_HANDSHAKE))
		die(EXIT_USAGE, "--http: not accepted with --send or --send-when");
	if (!opt.has_http)
		return;
	opt.when = WHEN_HTTP;
	opt.body_size = opt.http_size;
	if (!opt.no_length)
		snprintf(length, sizeof(length), "Content-Length: %" PRIu64 "\r\n", opt.http_size);
	opt.head_size = (size_t)snprintf(
		opt.head, sizeof(opt.head),
		"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n%sConnection: close\r\n\r\n", length);
}

static void parse(int argc, char **argv)
{
	struct option longs[OPTIONS + 1];
	enum role role;
	int code, at;
	size_t i;

	if (argc > 1 && !strcmp(argv[1], "--help"))
		set_option(O_HELP, "help", NULL);
	if (argc < 2 || (strcmp(argv[1], "server") && strcmp(argv[1], "client")))
		die(EXIT_USAGE, "'%s': accepted is server or client, then options; see judge --help",
		    argc < 2 ? "" : argv[1]);
	opt.server = !strcmp(argv[1], "server");
	role = opt.server ? SERVER : CLIENT;

	memset(longs, 0, sizeof(longs));
	for (i = 0; i < OPTIONS; i++) {
		longs[i].name = options[i].name;
		longs[i].has_arg = options[i].argument ? required_argument : no_argument;
		longs[i].val = (int)options[i].code;
	}
	optind = 2;
	while ((code = getopt_long(argc, argv, "+:", longs, &at)) != -1) {
		if (code == ':')
			die(EXIT_USAGE, "'%s': a value is required; see judge --help", argv[optind - 1]);
		if (code == '?')
			die(EXIT_USAGE,
			    "'%s': no such option, or a value where none is accepted; see judge --help",
			    argv[optind - 1]);
		if (!(options[at].role & role))
			die(EXIT_USAGE, "--%s: accepted only by judge %s", options[at].name,
			    opt.server ? "client" : "server");
		set_option(code, options[at].name, optarg);
	}
	if (optind < argc)
		die(EXIT_USAGE, "'%s': only options are accepted; see judge --help", argv[optind]);
	check_options();
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx;

	parse(argc, argv);
	let_be_told();
	ctx = new_context();
	if (opt.server)
		serve(ctx);
	else
		visit(ctx);
	SSL_CTX_free(ctx);
	free(opt.request);
	return EXIT_JUDGED;
}
