/* SPDX-License-Identifier: MIT
 * OpenSSL behind tls.h: what its hooks need beyond the table of operations. */
#ifndef CN_TLS_OPENSSL_H
#define CN_TLS_OPENSSL_H

#include "tls.h"

/* Its types are opaque here: the shim is built without its headers and works with several versions. */
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef void cn_msg_callback(int write, int version, int type, const void *bytes, size_t length, SSL *ssl,
			     void *argument);
typedef size_t cn_padding_callback(SSL *ssl, int type, size_t length, void *argument);

struct cn_libssl {
#define FIELD_LIBC                             FIELD_none
#define FIELD_SSL                              FIELD_some
#define FIELD_GNUTLS                           FIELD_none
#define HOOK(ret, name, params, home, purpose) FIELD_##home(ret, name, params)
#include "hooks.def"
#undef HOOK
#undef FIELD_LIBC
#undef FIELD_SSL
#undef FIELD_GNUTLS
};

/* One loaded libssl; tls_openssl.c knows more of it. */
struct cn_openssl {
	struct cn_tls tls;
	struct cn_libssl real;
};

extern struct cn_tls_kind cn_openssl_kind;

/* The real functions of a library of this kind. */
static inline const struct cn_libssl *cn_openssl_real(const struct cn_tls *tls)
{
	return &((const struct cn_openssl *)tls)->real;
}

/* conn.c's object of a session, or NULL. Only for a usable library. */
struct cn_conn *cn_openssl_conn(struct cn_tls *tls, SSL *ssl);

/* True of what is no connection by itself: QUIC's streams, listeners and domains, and the session by which libssl does the
 * handshake of a QUIC connection. `inside`: libssl itself calls, perhaps with the connection locked, so that any question to it
 * would wait for ever; it counts as a part then. Any thread; the error queue is as found. */
bool cn_openssl_is_part(struct cn_tls *tls, SSL *ssl, bool inside);

/* The real SSL_shutdown; a SIGPIPE that it raises is taken back. Any thread. What it writes goes to `fd`, a copy of the
 * session's descriptor; -1: to that itself. */
int cn_openssl_shutdown(struct cn_tls *tls, SSL *ssl, int fd);

/* The peer-waiting form of SSL_shutdown, see CLOSENOTIFY_WAIT_MS: returns what SSL_shutdown would. `ret` is
 * what the program's own call returned. Never longer than `wait_ms`. */
int cn_openssl_shutdown_both(struct cn_tls *tls, SSL *ssl, int ret, unsigned int wait_ms);

/* What is set in the place of a program's callback that has no getter: it calls that one, but not while the library itself
 * works in this thread, when the callback's data may be gone. Any thread; callbacks are never forgotten. */
cn_msg_callback *cn_openssl_msg_callback(cn_msg_callback *callback);
cn_padding_callback *cn_openssl_padding_callback(cn_padding_callback *callback);

/* SSL_shutdown on a session whose descriptor is closed or somebody else's: the library's own behaviour on
 * descriptor -1, so without any I/O. `first`: the program has not called SSL_shutdown before, whoever has. */
int cn_openssl_shutdown_nowhere(struct cn_tls *tls, SSL *ssl, bool first);

#endif
