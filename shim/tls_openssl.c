/* SPDX-License-Identifier: MIT
 * OpenSSL 1.1.1 to 3.x behind tls.h, built without its headers: the prototypes stand in the list below and a
 * test compiles them against the real ones. Invariant: whatever is done to a session here leaves its BIOs,
 * its error queue and the program's callbacks as they were. */
#include "conn.h"
#include "kernel.h"
#include "match.h"
#include "object.h"
#include "tls_openssl.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

typedef struct bio_st BIO;
typedef struct ssl_session_st SSL_SESSION;
typedef struct crypto_ex_data_st CRYPTO_EX_DATA;
typedef void info_callback(const SSL *ssl, int where, int ret);
typedef long bio_callback(BIO *bio, int call, const char *bytes, int length, long size, long ret);
typedef long bio_callback_ex(BIO *bio, int call, const char *bytes, size_t length, int option, long size,
			     int ret, size_t *done);
typedef void ex_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
typedef void ex_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp);
/* 1.1.1 says void *from_d, 3.0 void **from_d; both mean the address of the copied pointer. */
typedef int ex_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **from_d, int idx, long argl,
		   void *argp);

/* NEED(return type, name, parameters): without it the shim stays out of the library.
 * MAY(...): NULL where the version lacks it. */
#define OPENSSL_USES                                                                                         \
	NEED(int, CRYPTO_get_ex_new_index, (int, long, void *, ex_new *, ex_dup *, ex_free *))               \
	NEED(void *, SSL_get_ex_data, (const SSL *, int))                                                    \
	NEED(int, SSL_set_ex_data, (SSL *, int, void *))                                                     \
	NEED(int, SSL_get_error, (const SSL *, int))                                                         \
	NEED(int, SSL_want, (const SSL *))                                                                   \
	NEED(int, SSL_get_shutdown, (const SSL *))                                                           \
	NEED(void, SSL_set_shutdown, (SSL *, int))                                                           \
	NEED(int, SSL_get_quiet_shutdown, (const SSL *))                                                     \
	NEED(void, SSL_set_quiet_shutdown, (SSL *, int))                                                     \
	NEED(int, SSL_is_init_finished, (const SSL *))                                                       \
	NEED(int, SSL_has_pending, (const SSL *))                                                            \
	NEED(int, SSL_is_server, (const SSL *))                                                              \
	NEED(int, SSL_is_dtls, (const SSL *))                                                                \
	NEED(uint64_t, SSL_get_options, (const SSL *))                                                       \
	NEED(long, SSL_ctrl, (SSL *, int, long, void *))                                                     \
	NEED(SSL_SESSION *, SSL_get_session, (const SSL *))                                                  \
	NEED(size_t, SSL_get_finished, (const SSL *, void *, size_t))                                        \
	NEED(const char *, SSL_get_version, (const SSL *))                                                   \
	NEED(const char *, SSL_get_servername, (const SSL *, int))                                           \
	NEED(info_callback *, SSL_get_info_callback, (const SSL *))                                          \
	NEED(void, SSL_set_info_callback, (SSL *, info_callback *))                                          \
	NEED(size_t, SSL_get_client_random, (const SSL *, unsigned char *, size_t))                          \
	NEED(size_t, SSL_get_server_random, (const SSL *, unsigned char *, size_t))                          \
	NEED(uint64_t, BIO_number_written, (BIO *))                                                          \
	NEED(uint64_t, BIO_number_read, (BIO *))                                                             \
	NEED(BIO *, SSL_get_rbio, (const SSL *))                                                             \
	NEED(BIO *, SSL_get_wbio, (const SSL *))                                                             \
	NEED(void, SSL_set0_rbio, (SSL *, BIO *))                                                            \
	NEED(void, SSL_set0_wbio, (SSL *, BIO *))                                                            \
	NEED(BIO *, BIO_new, (const void *))                                                                 \
	NEED(const void *, BIO_s_socket, (void))                                                             \
	NEED(const void *, BIO_s_fd, (void))                                                                 \
	NEED(const void *, BIO_s_connect, (void))                                                            \
	NEED(const void *, BIO_f_buffer, (void))                                                             \
	NEED(const void *, BIO_f_ssl, (void))                                                                \
	NEED(const char *, BIO_method_name, (const BIO *))                                                   \
	NEED(const void *, BIO_s_mem, (void))                                                                \
	NEED(const void *, BIO_s_null, (void))                                                               \
	NEED(BIO *, BIO_new_socket, (int, int))                                                              \
	NEED(int, BIO_free, (BIO *))                                                                         \
	NEED(int, BIO_up_ref, (BIO *))                                                                       \
	NEED(BIO *, BIO_next, (BIO *))                                                                       \
	NEED(int, BIO_write, (BIO *, const void *, int))                                                     \
	NEED(int, BIO_read, (BIO *, void *, int))                                                            \
	NEED(long, BIO_ctrl, (BIO *, int, long, void *))                                                     \
	NEED(int, BIO_test_flags, (const BIO *, int))                                                        \
	NEED(int, ERR_set_mark, (void))                                                                      \
	NEED(int, ERR_pop_to_mark, (void))                                                                   \
	NEED(unsigned long, ERR_peek_last_error, (void))                                                     \
	NEED(void, BIO_clear_flags, (BIO *, int))                                                            \
	NEED(void, BIO_set_flags, (BIO *, int))                                                              \
	MAY(bio_callback *, BIO_get_callback, (const BIO *))                                                 \
	MAY(void, BIO_set_callback, (BIO *, bio_callback *))                                                 \
	MAY(void, BIO_set_callback_ex, (BIO *, bio_callback_ex *))                                           \
	MAY(bio_callback_ex *, BIO_get_callback_ex, (const BIO *))                                           \
	MAY(int, SSL_is_quic, (const SSL *))                                                                 \
	MAY(SSL *, SSL_get0_connection, (SSL *))                                                             \
	MAY(int, SSL_SESSION_is_resumable, (const SSL_SESSION *))                                            \
	NEED(int, SSL_get_early_data_status, (const SSL *))

enum own_bio { OWN_SOCKET, OWN_FD, OWN_CONNECT, OWN_BUFFER, OWN_MEMORY, OWN_SSL, OWN_NULL, OWN_BIOS };

struct openssl {
	struct cn_openssl library;   /* first: a struct cn_tls stands for it */
	const char *names[OWN_BIOS]; /* of OpenSSL's own BIOs; NULL: not known */
	int index;                   /* of our ex_data in every SSL */
	bool quiet;                  /* its writes come by our hook */
	BIO *_Atomic spare;          /* a memory BIO, NULL while a thread uses it */
#define NEED(ret, name, params) ret(*name) params;
#define MAY                     NEED
	OPENSSL_USES
#undef NEED
#undef MAY
};

/* Values of OpenSSL's headers, the same from 1.1.0 on. */
enum {
	WANT_WRITING = 2,
	MODE_MOVING_BUFFER = 2,
	RECORD_MOST = 16384,
	SENT = 1,
	RECEIVED = 2,
	ERROR_SSL = 1,
	ERROR_SYSCALL = 5,
	ERROR_ZERO_RETURN = 6,
	WANT_NOTHING = 1,
	CTRL_MODE = 33,
	MODE_ASYNC = 0x100,
	OP_IGNORE_UNEXPECTED_EOF = 0x80,
	REASON_UNEXPECTED_EOF = 294,
	REASON_MASK = 0xfff,
	LIBRARY_SSL = 20,
	EX_INDEX_SSL = 0,
	EARLY_DATA_REJECTED = 1,
	RECORD_ALERT = 21,
	CLEAR_ALERT = 7,
	BIO_RESET = 1,
	BIO_EOF = 2,
	BIO_INFO = 3,
	BIO_PENDING = 10,
	BIO_WPENDING = 13,
	BIO_KTLS_SEND = 73,
	BIO_GET_FD = 105,
	BIO_SHOULD_RETRY = 8,
	BIO_RETRY_FLAGS = 15,
};

static struct openssl *of(struct cn_tls *tls)
{
	return (struct openssl *)tls;
}

/* --- which socket --- */

/* The type of a BIO does not tell whose it is: libcurl gives its own BIO a type of OpenSSL's. Such a BIO may hold bytes back, and
 * its data may be freed by now. The name's address tells: for OpenSSL's BIOs it points into libcrypto, for others to a copy. */
static bool is_a(struct openssl *o, const BIO *bio, enum own_bio which)
{
	return bio && o->names[which] && o->BIO_method_name(bio) == o->names[which];
}

static bool is_socket(struct openssl *o, const BIO *bio)
{
	const char *name = bio ? o->BIO_method_name(bio) : NULL;

	return name &&
	       (name == o->names[OWN_SOCKET] || name == o->names[OWN_FD] || name == o->names[OWN_CONNECT]);
}

/* The program watches what goes through this BIO. */
static bool is_watched(struct openssl *o, const BIO *bio)
{
	return (o->BIO_get_callback && o->BIO_get_callback(bio)) ||
	       (o->BIO_get_callback_ex && o->BIO_get_callback_ex(bio));
}

/* Asks one of OpenSSL's BIOs. The program's callbacks on that BIO are not called. */
static long ask(struct openssl *o, BIO *bio, int question)
{
	bio_callback *callback = o->BIO_get_callback ? o->BIO_get_callback(bio) : NULL;
	bio_callback_ex *callback_ex = o->BIO_get_callback_ex ? o->BIO_get_callback_ex(bio) : NULL;
	long answer;

	if (callback && o->BIO_set_callback)
		o->BIO_set_callback(bio, NULL);
	if (callback_ex && o->BIO_set_callback_ex)
		o->BIO_set_callback_ex(bio, NULL);
	answer = o->BIO_ctrl(bio, question, 0, NULL);
	if (callback && o->BIO_set_callback)
		o->BIO_set_callback(bio, callback);
	if (callback_ex && o->BIO_set_callback_ex)
		o->BIO_set_callback_ex(bio, callback_ex);
	return answer;
}

/* The search stops at BIO_f_ssl: the socket below it belongs to another session, which tunnels this one. */
static int fd_below(struct openssl *o, BIO *bio)
{
	while (bio && !is_socket(o, bio) && !is_a(o, bio, OWN_SSL))
		bio = o->BIO_next(bio);
	return bio && !is_a(o, bio, OWN_SSL) ? (int)ask(o, bio, BIO_GET_FD) : -1;
}

static void descriptors(struct cn_tls *tls, void *session, int *read_fd, int *write_fd)
{
	struct openssl *o = of(tls);

	*read_fd = fd_below(o, o->SSL_get_rbio(session));
	*write_fd = fd_below(o, o->SSL_get_wbio(session));
}

/* The socket BIO that gets exactly the bytes written to `bio`: `bio` itself, or the one below OpenSSL's buffers; else NULL. Other
 * filters may encode, delay or reorder. `held`: a buffer has bytes left. A buffer answers for what is below it as well, so the
 * socket is sought first. */
static BIO *plain_socket(struct openssl *o, BIO *bio, bool *held)
{
	BIO *socket = bio;

	*held = false;
	while (is_a(o, socket, OWN_BUFFER))
		socket = o->BIO_next(socket);
	if (!is_socket(o, socket))
		return NULL;
	for (; bio != socket; bio = o->BIO_next(bio))
		*held |= ask(o, bio, BIO_WPENDING) > 0;
	return socket;
}

/* --- facts --- */

/* An empty memory BIO is at its end only if a read returns 0 and not "try again". */
static bool is_closed_memory(struct openssl *o, BIO *memory)
{
	int flags = o->BIO_test_flags(memory, BIO_RETRY_FLAGS), got;
	char byte;

	if (ask(o, memory, BIO_PENDING) > 0)
		return false;
	got = o->BIO_read(memory, &byte, 1);
	o->BIO_clear_flags(memory, BIO_RETRY_FLAGS);
	o->BIO_set_flags(memory, flags);
	return got == 0;
}

/* SSL_OP_IGNORE_UNEXPECTED_EOF, on by default in Python >= 3.10, makes a bare EOF look like close_notify. libssl then
 * calls SSL_set_shutdown, and our hook notes that. A libssl linked with -Bsymbolic does not reach our hook. There the BIO decides:
 * a socket BIO remembers whether its last read met EOF, and a real close_notify is read before EOF. */
static enum cn_outcome closed(struct openssl *o, SSL *ssl)
{
	struct cn_conn *conn = o->SSL_get_ex_data(ssl, o->index);
	BIO *rbio = o->SSL_get_rbio(ssl);

	if (!(o->SSL_get_options(ssl) & OP_IGNORE_UNEXPECTED_EOF))
		return CN_OUT_CLOSED;
	if (conn && cn_conn_has(conn, CN_EOF_TAKEN))
		return CN_OUT_TRUNCATED;
	if (atomic_load(&o->library.tls.open_inside))
		return CN_OUT_CLOSED;
	if (is_socket(o, rbio))
		return ask(o, rbio, BIO_EOF) ? CN_OUT_TRUNCATED : CN_OUT_CLOSED;
	return is_a(o, rbio, OWN_MEMORY) && !is_watched(o, rbio) && !is_closed_memory(o, rbio)
		       ? CN_OUT_CLOSED
		       : CN_OUT_UNTOLD;
}

static bool is_resumable(struct openssl *o, SSL *ssl)
{
	SSL_SESSION *session = o->SSL_SESSION_is_resumable ? o->SSL_get_session(ssl) : NULL;

	return session && o->SSL_SESSION_is_resumable(session);
}

static size_t made_since(struct cn_tls *tls, void *session, uint64_t from, unsigned char *bytes, size_t room)
{
	struct openssl *o = of(tls);
	BIO *memory = o->SSL_get_wbio(session);
	const unsigned char *there = NULL;
	uint64_t length;
	long waiting;

	if (!is_a(o, memory, OWN_MEMORY) || is_watched(o, memory))
		return 0;
	length = o->BIO_number_written(memory) - from;
	waiting = o->BIO_ctrl(memory, BIO_INFO, 0, &there);
	if (length > room || waiting < (long)length)
		return 0;
	memcpy(bytes, there + waiting - length, (size_t)length);
	return (size_t)length;
}

static void look(struct cn_tls *tls, void *session, struct cn_tls_state *state)
{
	struct openssl *o = of(tls);
	BIO *wbio = o->SSL_get_wbio(session), *rbio = o->SSL_get_rbio(session), *socket;
	int shutdown = o->SSL_get_shutdown(session);
	char finished;
	bool quic = o->SSL_is_quic && o->SSL_is_quic(session);

	*state = (struct cn_tls_state){0};
	state->quic = quic;
	if (quic) /* without a stream of its own a connection answers some questions with an error */
		o->ERR_set_mark();
	socket = plain_socket(o, wbio, &state->held);
	state->plain = socket;
	state->fd = socket ? (int)ask(o, socket, BIO_GET_FD) : -1;
	state->produced = wbio ? o->BIO_number_written(wbio) : 0;
	state->counter = wbio;
	state->consumed = rbio && !is_socket(o, rbio) ? o->BIO_number_read(rbio) : 0;
	state->unsupported = !wbio || o->SSL_is_dtls(session) || quic ||
			     (o->SSL_ctrl(session, CTRL_MODE, 0, NULL) & MODE_ASYNC) ||
			     (socket && ask(o, socket, BIO_KTLS_SEND) > 0);
	state->established = o->SSL_is_init_finished(session) == 1;
	/* After SSL_set_session(NULL), which dig calls, OpenSSL up to 3.1 writes its alert unencrypted. SSL_set_session and
	 * SSL_set_ssl_method also forget the handshake; the alert then has a wrong sequence number. From 3.2 on the record layer
	 * keeps keys and numbers for itself. */
	state->keyless = state->established && !o->SSL_is_quic &&
			 (!o->SSL_get_session(session) || !o->SSL_get_finished(session, &finished, 0));
	state->unsupported |= state->keyless;
	state->quiet = o->SSL_get_quiet_shutdown(session);
	state->sent = shutdown & SENT;
	state->received = shutdown & RECEIVED;
	state->unread = o->SSL_has_pending(session);
	state->server = o->SSL_is_server(session);
	state->resumable = is_resumable(o, session);
	state->resumable_told = true;
	state->version = o->SSL_get_version(session);
	state->sni = o->SSL_get_servername(session, 0);
	if (quic)
		o->ERR_pop_to_mark();
}

static bool hello_random(struct cn_tls *tls, void *session, unsigned char random[CN_RANDOM])
{
	static const unsigned char none[CN_RANDOM];
	struct openssl *o = of(tls);
	size_t length = o->SSL_is_server(session) ? o->SSL_get_server_random(session, random, CN_RANDOM)
						  : o->SSL_get_client_random(session, random, CN_RANDOM);

	return length == CN_RANDOM && memcmp(random, none, CN_RANDOM) != 0;
}

static bool early_refused(struct cn_tls *tls, void *session)
{
	struct openssl *o = of(tls);

	return !o->SSL_is_server(session) && o->SSL_get_early_data_status(session) == EARLY_DATA_REJECTED;
}

static bool would_block(struct openssl *o, SSL *ssl)
{
	BIO *rbio = o->SSL_get_rbio(ssl), *wbio = o->SSL_get_wbio(ssl);

	return o->SSL_want(ssl) != WANT_NOTHING && ((rbio && o->BIO_test_flags(rbio, BIO_SHOULD_RETRY)) ||
						    (wbio && o->BIO_test_flags(wbio, BIO_SHOULD_RETRY)));
}

/* The last error of the queue is libssl's own. */
static bool is_from_libssl(struct openssl *o)
{
	/* 3.0 has moved the library's number by a bit. */
	return o->ERR_peek_last_error() >> (o->library.real.SSL_CTX_new_ex ? 23 : 24) == LIBRARY_SSL;
}

/* SSL_get_error looks into the error queue first, where the program may have left an old error. So the session's own state counts
 * more: after an error that it does not survive it is not "finished" any more (SSLfatal), and close_notify sets a flag. */
static enum cn_outcome outcome(struct cn_tls *tls, void *session, int ret)
{
	struct openssl *o = of(tls);
	int error = errno, verdict = o->SSL_get_error(session, ret), want = o->SSL_want(session);
	bool finished = o->SSL_is_init_finished(session) == 1;

	/* -1 with ZERO_RETURN: this call failed to write, and the session only remembers an earlier close_notify of the peer. */
	if (verdict == ERROR_ZERO_RETURN && !(ret < 0 && finished))
		return closed(o, session);
	if ((verdict != ERROR_SSL && verdict != ERROR_SYSCALL && verdict != ERROR_ZERO_RETURN) ||
	    would_block(o, session))
		return want == WANT_WRITING ? CN_OUT_WANT_WRITE : CN_OUT_WANT;
	if (finished && ret == 0 && (o->SSL_get_shutdown(session) & RECEIVED))
		return closed(o, session);
	if (is_from_libssl(o) && !finished)
		return (o->ERR_peek_last_error() & REASON_MASK) == REASON_UNEXPECTED_EOF ? CN_OUT_TRUNCATED
											 : CN_OUT_FATAL;
	/* If the BIO had failed, SSL_want would still say reading or writing. From 3.2 on it does not; errno decides below. */
	if (is_from_libssl(o) && want == WANT_NOTHING)
		return CN_OUT_REFUSED;
	if (verdict == ERROR_SSL && !is_socket(o, o->SSL_get_rbio(session)))
		return CN_OUT_FATAL;
	return error == 0 || error == ECONNRESET || error == EPIPE || error == ETIMEDOUT ? CN_OUT_TRUNCATED
											 : CN_OUT_FATAL;
}

static const char *error_word(struct cn_tls *tls, void *session, int ret)
{
	static const char *const words[] = {
		NULL,
		"SSL_ERROR_SSL",
		"SSL_ERROR_WANT_READ",
		"SSL_ERROR_WANT_WRITE",
		"SSL_ERROR_WANT_X509_LOOKUP",
		"SSL_ERROR_SYSCALL",
		"SSL_ERROR_ZERO_RETURN",
		"SSL_ERROR_WANT_CONNECT",
		"SSL_ERROR_WANT_ACCEPT",
		"SSL_ERROR_WANT_ASYNC",
		"SSL_ERROR_WANT_ASYNC_JOB",
		"SSL_ERROR_WANT_CLIENT_HELLO_CB",
		"SSL_ERROR_WANT_RETRY_VERIFY",
	};
	unsigned int error = (unsigned int)of(tls)->SSL_get_error(session, ret);

	return error < sizeof(words) / sizeof(*words) ? words[error] : "unknown";
}

/* --- the goodbye, into memory --- */

static void no_info(const SSL *ssl, int where, int ret)
{
	(void)ssl, (void)where, (void)ret;
}

/* OpenSSL has no getter for these callbacks, so each gets a stand-in. A program has one or two. With more than eight, no
 * close_notify is sent any more. */
#define STAND_INS(X)   X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define STAND_IN_COUNT 8

static cn_msg_callback *_Atomic msg_callbacks[STAND_IN_COUNT];
static cn_padding_callback *_Atomic padding_callbacks[STAND_IN_COUNT];
static _Atomic bool too_many_callbacks;

#define MSG(n)                                                                                               \
	static void msg_##n(int write, int version, int type, const void *bytes, size_t length, SSL *ssl,    \
			    void *argument)                                                                  \
	{                                                                                                    \
		if (!cn_inside)                                                                              \
			atomic_load (&msg_callbacks[n])(write, version, type, bytes, length, ssl, argument); \
	}
#define PADDING(n)                                                                                           \
	static size_t padding_##n(SSL *ssl, int type, size_t length, void *argument)                         \
	{                                                                                                    \
		return cn_inside ? 0 : atomic_load(&padding_callbacks[n])(ssl, type, length, argument);      \
	}
STAND_INS(MSG)
STAND_INS(PADDING)

#define MSG_NAME(n)     msg_##n,
#define PADDING_NAME(n) padding_##n,
static cn_msg_callback *const msg_stand_ins[] = {STAND_INS(MSG_NAME)};
static cn_padding_callback *const padding_stand_ins[] = {STAND_INS(PADDING_NAME)};

#define STAND_IN_FOR(callback, callbacks, stand_ins)                                                         \
	for (int i = 0; (callback) && i < STAND_IN_COUNT; i++) {                                             \
		__typeof__(callback) none = NULL;                                                            \
		if ((callback) == (stand_ins)[i])                                                            \
			return callback; /* a stand-in already: libssl passes it on */                       \
		if (atomic_compare_exchange_strong(&(callbacks)[i], &none, callback) || none == (callback))  \
			return (stand_ins)[i];                                                               \
	}                                                                                                    \
	if (callback)                                                                                        \
		atomic_store(&too_many_callbacks, true);                                                     \
	return callback;

cn_msg_callback *cn_openssl_msg_callback(cn_msg_callback *callback){
	STAND_IN_FOR(callback, msg_callbacks, msg_stand_ins)}

cn_padding_callback *cn_openssl_padding_callback(cn_padding_callback *callback)
{
	STAND_IN_FOR(callback, padding_callbacks, padding_stand_ins)
}

static BIO *take_memory(struct openssl *o)
{
	BIO *memory = atomic_exchange(&o->spare, NULL);

	return memory ? memory : o->BIO_new(o->BIO_s_mem());
}

static void give_memory(struct openssl *o, BIO *memory)
{
	BIO *none = NULL;

	o->BIO_ctrl(memory, BIO_RESET, 0, NULL);
	if (!atomic_compare_exchange_strong(&o->spare, &none, memory))
		o->BIO_free(memory);
}

/* Brings into `memory` the part of a record that the socket did not take. OpenSSL has encrypted that record already. It wants
 * a write of the same length again, and takes no byte from it. But if the program's write needs several records, OpenSSL would
 * encrypt the dummy for those that follow. So the output must be the rest of one record, and no whole record behind it. */
static bool finish_write(struct openssl *o, SSL *ssl, BIO *memory, size_t unfinished)
{
	static const unsigned char dummy[RECORD_MOST];
	const unsigned char *bytes = NULL;
	long length;

	o->SSL_ctrl(ssl, CTRL_MODE, MODE_MOVING_BUFFER, NULL);
	if (unfinished > sizeof(dummy) ||
	    o->library.real.SSL_write(ssl, dummy, (int)unfinished) != (int)unfinished)
		return false;
	length = o->BIO_ctrl(memory, BIO_INFO, 0, (void *)&bytes);
	for (long start = 0; start + 5 <= length; start++) {
		long at = start;
		int records = 0;

		for (; at + 5 <= length && bytes[at] == 23 && bytes[at + 1] == 3 && bytes[at + 2] <= 3;
		     records++)
			at += 5 + (bytes[at + 3] << 8 | bytes[at + 4]);
		if (at == length && start + records > 1) /* the one record itself may be whole */
			return false;
	}
	return length > 0;
}

/* Calls SSL_shutdown with `memory` as the write BIO. Restoring by SSL_set_bio would leak a reference when read and write BIO
 * are the same. */
static bool say_into(struct openssl *o, SSL *ssl, BIO *memory, size_t unfinished)
{
	BIO *old = o->SSL_get_wbio(ssl);
	bool said;

	o->BIO_up_ref(old);
	o->BIO_up_ref(memory);
	o->SSL_set0_wbio(ssl, memory);
	said = (!unfinished || finish_write(o, ssl, memory, unfinished)) &&
	       o->library.real.SSL_shutdown(ssl) >= 0;
	o->SSL_set0_wbio(ssl, old);
	return said;
}

static bool seal(struct cn_tls *tls, void *session, const struct cn_seal *how, struct cn_sealed *sealed)
{
	struct openssl *o = of(tls);
	int flags = o->SSL_get_shutdown(session);
	bool quiet = o->SSL_get_quiet_shutdown(session);
	info_callback *info = o->SSL_get_info_callback(session);
	BIO *memory;
	long length = 0;

	o->ERR_set_mark();
	memory = atomic_load(&too_many_callbacks) ? NULL : take_memory(o);
	if (!memory)
		goto out;
	o->SSL_set_info_callback(session, no_info);
	if (quiet) /* only under CLOSENOTIFY_QUIET=override, as is SENT without an alert */
		o->SSL_set_quiet_shutdown(session, 0);
	if (!how->begun)
		o->SSL_set_shutdown(session, flags & ~SENT);
	if (say_into(o, session, memory, how->unfinished))
		length = o->BIO_ctrl(memory, BIO_INFO, 0, (void *)&sealed->bytes);
	if (length == CLEAR_ALERT &&
	    sealed->bytes[0] == RECORD_ALERT) /* the keys are gone, whatever look() has said */
		length = 0;
	if (quiet)
		o->SSL_set_quiet_shutdown(session, 1);
	o->SSL_set_info_callback(session, info);
	if (length <= 0) {
		o->SSL_set_shutdown(session, flags);
		give_memory(o, memory);
	}
out:
	o->ERR_pop_to_mark();
	if (length <= 0)
		return false;
	sealed->length = (size_t)length;
	sealed->keep = memory;
	return true;
}

static void unseal(struct cn_tls *tls, struct cn_sealed *sealed)
{
	give_memory(of(tls), sealed->keep);
}

/* --- the program's own SSL_shutdown --- */

/* The clean-up runs at the end of the scope, and also when an exception or a cancelled thread leaves it. */
#define UNDONE_BY(function) __attribute__((cleanup(function)))

struct held_write {
	struct openssl *o;
	SSL *ssl;
	BIO *old, *held;
};

static void give_back(const struct held_write *write)
{
	struct openssl *o = write->o;

	if (!write->held)
		return;
	/* SSL_get_error asks the BIO. */
	o->BIO_clear_flags(write->old, BIO_RETRY_FLAGS);
	o->BIO_set_flags(write->old, o->BIO_test_flags(write->held, BIO_RETRY_FLAGS));
	o->SSL_set0_wbio(write->ssl, write->old);
	o->BIO_free(write->held);
}

static bool takes_copy(struct openssl *o, BIO *wbio, int fd)
{
	return fd >= 0 && is_socket(o, wbio) && !is_watched(o, wbio);
}

/* `fd`: a copy of the socket, to which this call writes; -1: the session's own. The read BIO stays in place: a call that writes
 * reads nothing, and SSL_get_fd goes on to name the program's descriptor. */
static int shutdown_on(struct openssl *o, SSL *ssl, int fd)
{
	UNDONE_BY(give_back) struct held_write write = {.o = o, .ssl = ssl, .old = o->SSL_get_wbio(ssl)};

	if (takes_copy(o, write.old, fd))
		write.held = o->BIO_new_socket(fd, 0);
	if (write.held) {
		/* After an unfinished write SSL_shutdown may write nothing; then the flags have to be the old ones. */
		o->BIO_set_flags(write.held, o->BIO_test_flags(write.old, BIO_RETRY_FLAGS));
		o->BIO_up_ref(write.old);
		o->BIO_up_ref(write.held);
		o->SSL_set0_wbio(ssl, write.held);
	}
	return o->library.real.SSL_shutdown(ssl);
}

struct held_signal {
	sigset_t pipe, old, pending;
};

static void take_back_signal(const struct held_signal *held)
{
	const struct timespec now = {0};
	int error = errno;
	sigset_t pending;

	sigpending(&pending);
	if (sigismember(&pending, SIGPIPE) && !sigismember(&held->pending, SIGPIPE))
		sigtimedwait(&held->pipe, NULL, &now);
	sigprocmask(SIG_SETMASK, &held->old, NULL);
	errno = error;
}

/* libcrypto writes without MSG_NOSIGNAL: openssl #24542, curl #3787. */
static int shutdown_without_signal(struct openssl *o, SSL *ssl, int fd)
{
	UNDONE_BY(take_back_signal) struct held_signal held;

	sigpending(&held.pending);
	sigemptyset(&held.pipe);
	sigaddset(&held.pipe, SIGPIPE);
	sigprocmask(SIG_BLOCK, &held.pipe, &held.old); /* of this thread */
	return shutdown_on(o, ssl, fd);
}

struct quiet {
	int outer;
};

static void quiet_over(const struct quiet *quiet)
{
	cn_quiet_fd = quiet->outer;
	atomic_fetch_sub(&cn_seekers, 1);
}

static void quiet_begins(struct quiet *quiet, int fd)
{
	quiet->outer = cn_quiet_fd;
	cn_quiet_fd = fd;
	cn_quiet_put = 0;
	atomic_fetch_add(&cn_seekers, 1);
}

/* Libcrypto's write() comes by our hook. It does not where the library was loaded with RTLD_DEEPBIND. */
static bool writes_come_by(struct openssl *o)
{
	int error = errno;
	BIO *nowhere = o->BIO_new_socket(-1, 0);
	struct quiet quiet;
	bool seen;

	quiet_begins(&quiet, -1);
	if (nowhere)
		o->BIO_write(nowhere, "", 1);
	seen = cn_quiet_fd == 0;
	quiet_over(&quiet);
	if (nowhere)
		o->BIO_free(nowhere);
	errno = error;
	return seen;
}

static int shutdown_quietly(struct openssl *o, SSL *ssl, int copy, int fd)
{
	UNDONE_BY(quiet_over) struct quiet quiet;

	quiet_begins(&quiet, fd + 1);
	return shutdown_on(o, ssl, copy);
}

bool cn_openssl_shutdown_quietly(struct cn_tls *tls, SSL *ssl, int copy, int fd, int *ret, size_t *put)
{
	struct openssl *o = of(tls);

	if (!o->quiet)
		return false;
	*ret = shutdown_quietly(o, ssl, copy, takes_copy(o, o->SSL_get_wbio(ssl), copy) ? copy : fd);
	*put = cn_quiet_put;
	return true;
}
int cn_openssl_shutdown(struct cn_tls *tls, SSL *ssl, int fd)
{
	struct sigaction action;

	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
		return shutdown_on(of(tls), ssl, fd);
	return shutdown_without_signal(of(tls), ssl, fd);
}

int cn_openssl_shutdown_nowhere(struct cn_tls *tls, SSL *ssl, bool first)
{
	struct openssl *o = of(tls);
	BIO *nowhere = o->BIO_new_socket(-1, 0), *rbio = o->SSL_get_rbio(ssl), *wbio = o->SSL_get_wbio(ssl);
	int ret, error;

	if (!nowhere || !rbio || !wbio) {
		errno = EBADF;
		return -1;
	}
	o->BIO_up_ref(rbio);
	o->BIO_up_ref(wbio);
	o->BIO_up_ref(nowhere);
	o->SSL_set0_rbio(ssl, nowhere);
	o->BIO_up_ref(nowhere);
	o->SSL_set0_wbio(ssl, nowhere);
	if (first) /* it has to fail in writing: from 3.2 on the error queue tells writing from reading */
		o->SSL_set_shutdown(ssl, o->SSL_get_shutdown(ssl) & ~SENT);
	ret = o->library.real.SSL_shutdown(ssl);
	error = errno;
	o->SSL_set0_rbio(ssl, rbio);
	o->SSL_set0_wbio(ssl, wbio);
	o->BIO_free(nowhere);
	errno = error;
	return ret;
}

/* Feeds what has arrived to the session, up to the first byte of data. That byte stays in the session: after its own goodbye a
 * program may read on (RFC 8446 6.1). The socket is read without blocking, a byte at a time, into a memory BIO. So the session
 * takes every byte, and the socket keeps all that follows the deciding record. The session does not see the end of file. */
static enum cn_outcome look_ahead(struct openssl *o, SSL *ssl, BIO *memory, int fd)
{
	enum cn_outcome seen;
	ssize_t got;
	char byte;
	int ret;

	do {
		ret = o->library.real.SSL_peek(ssl, &byte, 1);
		if (ret > 0)
			return CN_OUT_REFUSED;
		seen = outcome(&o->library.tls, ssl, ret);
		if (seen != CN_OUT_WANT)
			return seen;
		got = recv(fd, &byte, 1, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return CN_OUT_TRUNCATED;
		if (got < 0)
			return CN_OUT_WANT;
		o->BIO_write(memory, &byte, 1);
	} while (true);
}

struct swapped_read {
	struct openssl *o;
	SSL *ssl;
	BIO *old, *memory;
};

static void swap_back(const struct swapped_read *read)
{
	if (!read->memory)
		return;
	read->o->ERR_pop_to_mark();
	read->o->SSL_set0_rbio(read->ssl, read->old);
	give_memory(read->o, read->memory);
}

int cn_openssl_shutdown_both(struct cn_tls *tls, SSL *ssl, int ret, unsigned int wait_ms)
{
	struct openssl *o = of(tls);
	int fd = fd_below(o, o->SSL_get_rbio(ssl)), write_fd = fd_below(o, o->SSL_get_wbio(ssl));
	UNDONE_BY(swap_back) struct swapped_read read = {.o = o, .ssl = ssl};
	enum cn_outcome seen = CN_OUT_WANT;
	int64_t end = cn_now_us() + (int64_t)wait_ms * 1000;

	/* Our own alert first, if the socket could not take it. */
	while (ret < 0 && outcome(tls, ssl, ret) == CN_OUT_WANT_WRITE) {
		struct pollfd can_write = {.fd = write_fd, .events = POLLOUT};
		int64_t left = (end - cn_now_us()) / 1000;

		if (left <= 0 || poll(&can_write, 1, (int)left) == 0)
			return ret;
		ret = cn_openssl_shutdown(tls, ssl, -1);
	}
	if (ret != 0)
		return ret;

	read.old = o->SSL_get_rbio(ssl);
	read.memory = fd < 0 ? NULL : take_memory(o);
	if (!read.memory)
		return ret;
	o->BIO_up_ref(read.old);
	o->BIO_up_ref(read.memory);
	o->SSL_set0_rbio(ssl, read.memory);
	o->ERR_set_mark();
	while ((seen = look_ahead(o, ssl, read.memory, fd)) == CN_OUT_WANT) {
		struct pollfd can_read = {.fd = fd, .events = POLLIN};
		int64_t left = (end - cn_now_us()) / 1000;

		if (left <= 0)
			break;
		poll(&can_read, 1, (int)left);
	}
	return seen == CN_OUT_CLOSED ? 1 : 0;
}

/* --- one loaded libssl --- */

static bool set_conn(struct cn_tls *tls, void *session, struct cn_conn *conn)
{
	return of(tls)->SSL_set_ex_data(session, of(tls)->index, conn);
}

static const struct cn_tls_ops ops = {
	.writes_wait_for_room = true,
	.frees = "SSL_free",
	.clears = "SSL_clear",
	.descriptors = descriptors,
	.look = look,
	.hello_random = hello_random,
	.set_conn = set_conn,
	.outcome = outcome,
	.early_refused = early_refused,
	.made_since = made_since,
	.error_word = error_word,
	.seal = seal,
	.unseal = unseal,
};

/* OpenSSL calls this when the last reference to an SSL goes, whoever frees it. */
static void forget(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	int inside = cn_inside;

	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	cn_inside =
		1; /* a signal handler that writes would wait for match.c's lock, which this thread holds */
	if (ptr)
		cn_conn_session_gone(ptr);
	cn_inside = inside;
}

/* SSL_dup of a session without handshake copies the ex_data; the copy is another connection. */
static int forget_copy(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **from_d, int idx, long argl,
		       void *argp)
{
	(void)to, (void)from, (void)idx, (void)argl, (void)argp;
	*from_d = NULL;
	return 1;
}

static void learn_names(struct openssl *o)
{
	const void *(*const methods[OWN_BIOS])(void) = {o->BIO_s_socket, o->BIO_s_fd,  o->BIO_s_connect,
							o->BIO_f_buffer, o->BIO_s_mem, o->BIO_f_ssl,
							o->BIO_s_null};

	for (int i = 0; i < OWN_BIOS; i++) {
		BIO *bio = o->BIO_new(methods[i]());

		o->names[i] = bio ? o->BIO_method_name(bio) : NULL;
		if (bio)
			o->BIO_free(bio);
	}
}

/* Used if mmap fails: without the table of functions not even the program's own call could be made. */
static struct openssl last_resort;
static atomic_flag last_resort_taken = ATOMIC_FLAG_INIT;

/* Of libclosenotify-patch.so, which has redirected functions of the program to the hooks: what that entry was. */
extern void *closenotify_real(void *entry) __attribute__((weak, visibility("default")));

static struct cn_tls *prepare(const struct cn_object *home)
{
	struct openssl *o =
		mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct cn_scope scope;
	bool all = true;
	void *found;

	if (o == MAP_FAILED)
		o = atomic_flag_test_and_set(&last_resort_taken) ? NULL : &last_resort;
	if (!o)
		return NULL;
	o->library.tls.ops = &ops;
	o->library.tls.home = home->dynamic;
	o->library.tls.start = home->start;
	o->library.tls.length = home->end - home->start;
	cn_scope_of(home, &scope);
#define FIND(member, name)                                                                                   \
	found = cn_scope_symbol(&scope, #name);                                                              \
	if (closenotify_real)                                                                                \
		found = closenotify_real(found);                                                             \
	memcpy(&member name, &found, sizeof(found));
#define HOOKS_OF                               HOME_OPENSSL
#define HOOK(ret, name, params, home, purpose) FIND(o->library.real., name)
#include "hooks.def"
#undef HOOK
#define MAY(ret, name, params)  FIND(o->, name)
#define NEED(ret, name, params) FIND(o->, name) all &= found != NULL;
	OPENSSL_USES
#undef NEED
#undef MAY
#undef FIND
	if (all)
		learn_names(o);
	if (all)
		o->quiet = writes_come_by(o);
	if (all)
		o->index = o->CRYPTO_get_ex_new_index(EX_INDEX_SSL, 0, NULL, NULL, forget_copy, forget);
	o->library.tls.usable = all && o->index > 0;
	return &o->library.tls;
}

static void discard(struct cn_tls *tls)
{
	if (of(tls) == &last_resort)
		atomic_flag_clear(&last_resort_taken);
	else
		munmap(tls, sizeof(struct openssl));
}

struct cn_tls_kind cn_openssl_kind = {.mark = "SSL_free", .prepare = prepare, .discard = discard};

struct cn_conn *cn_openssl_conn(struct cn_tls *tls, SSL *ssl)
{
	return of(tls)->SSL_get_ex_data(ssl, of(tls)->index);
}

bool cn_openssl_is_part(struct cn_tls *tls, SSL *ssl, bool inside)
{
	struct openssl *o = of(tls);
	bool part;

	if (!o->SSL_is_quic || !o->SSL_get0_connection)
		return false;
	if (!o->SSL_is_quic(ssl)) /* libssl does QUIC's handshake in a session of its own with a null BIO */
		return inside && is_a(o, o->SSL_get_wbio(ssl), OWN_NULL);
	if (inside) /* SSL_accept_stream has locked the connection when it calls SSL_up_ref */
		return true;
	o->ERR_set_mark();
	part = o->SSL_get0_connection(ssl) != ssl; /* of a listener it is an error */
	o->ERR_pop_to_mark();
	return part;
}
