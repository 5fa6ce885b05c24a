/* SPDX-License-Identifier: MIT
 * OpenSSL 1.1.1 to 3.x behind tls.h: what a session is asked, and its goodbye. Invariant: whatever is done to a session here leaves
 * its BIOs, its error queue and the program's callbacks as they were. */
#include "conn.h"
#include "object.h"
#include "openssl.h"
#include "tls_openssl.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static void descriptors(struct cn_tls *tls, void *session, int *read_fd, int *write_fd)
{
	struct openssl *o = of(tls);

	*read_fd = cn_bio_fd(o, o->SSL_get_rbio(session));
	*write_fd = cn_bio_fd(o, o->SSL_get_wbio(session));
}

/* --- facts --- */

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
	if (cn_bio_is_socket(o, rbio))
		return cn_bio_ask(o, rbio, BIO_EOF) ? CN_OUT_TRUNCATED : CN_OUT_CLOSED;
	return cn_bio_is(o, rbio, OWN_MEMORY) && !cn_bio_is_watched(o, rbio) && !cn_bio_is_closed(o, rbio)
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

	if (!cn_bio_is(o, memory, OWN_MEMORY) || cn_bio_is_watched(o, memory))
		return 0;
	length = o->BIO_number_written(memory) - from;
	waiting = o->BIO_ctrl(memory, BIO_INFO, 0, &there);
	if (length > room || waiting < (long)length)
		return 0;
	memcpy(bytes, there + waiting - length, (size_t)length);
	return (size_t)length;
}

/* The header of a record was read, and nothing of what belongs to it: SSL_has_pending does not count the header. */
static bool awaits_body(struct openssl *o, SSL *ssl)
{
	const char *reading = o->SSL_rstate_string ? o->SSL_rstate_string(ssl) : NULL;

	return reading && strcmp(reading, "RB") == 0;
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
	socket = cn_bio_plain_socket(o, wbio, &state->held);
	state->plain = socket;
	state->fd = socket ? (int)cn_bio_ask(o, socket, BIO_GET_FD) : -1;
	state->produced = wbio ? o->BIO_number_written(wbio) : 0;
	state->counter = wbio;
	state->consumed = rbio && !cn_bio_is_socket(o, rbio) ? o->BIO_number_read(rbio) : 0;
	state->unsupported = !wbio || o->SSL_is_dtls(session) || quic ||
			     (o->SSL_ctrl(session, CTRL_MODE, 0, NULL) & MODE_ASYNC) ||
			     (socket && cn_bio_ask(o, socket, BIO_KTLS_SEND) > 0);
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
	state->unread = o->SSL_has_pending(session) || (!quic && awaits_body(o, session));
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
	if (verdict == ERROR_SSL && !cn_bio_is_socket(o, o->SSL_get_rbio(session)))
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
	memory = atomic_load(&too_many_callbacks) ? NULL : cn_bio_take(o);
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
		cn_bio_give(o, memory);
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
	cn_bio_give(of(tls), sealed->keep);
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
		cn_bio_learn_names(o);
	if (all)
		o->quiet = cn_openssl_writes_come_by(o);
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
		return inside && cn_bio_is(o, o->SSL_get_wbio(ssl), OWN_NULL);
	if (inside) /* SSL_accept_stream has locked the connection when it calls SSL_up_ref */
		return true;
	o->ERR_set_mark();
	part = o->SSL_get0_connection(ssl) != ssl; /* of a listener it is an error */
	o->ERR_pop_to_mark();
	return part;
}
