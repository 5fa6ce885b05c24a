/* SPDX-License-Identifier: MIT
 * OpenSSL behind tls.h: what its hooks need beyond the table of operations. */
#ifndef CN_TLS_OPENSSL_H
#define CN_TLS_OPENSSL_H

#include "openssl_types.h"

extern struct cn_tls_kind cn_openssl_kind;

/* The connection that belongs to a session, or NULL. Only for a usable library. */
struct cn_conn *cn_openssl_conn(struct cn_tls *tls, SSL *ssl);

/* True if this SSL is not a connection by itself: a QUIC stream, listener or domain, or the session in which libssl does a QUIC
 * connection's handshake. `inside`: the caller is libssl. It may have locked the connection, so nothing is asked and the answer
 * for a QUIC object is true. Any thread; the error queue is as found. */
bool cn_openssl_is_part(struct cn_tls *tls, SSL *ssl, bool inside);

/* The real SSL_shutdown; a SIGPIPE that it raises is taken back. It writes to `fd`, a copy of the session's descriptor; -1: to
 * the descriptor itself. Any thread. */
int cn_openssl_shutdown(struct cn_tls *tls, SSL *ssl, int fd);

/* The same without a system call for the signal. False: that can't be had, and nothing was done. `fd`: the session's descriptor, which
 * is a socket for certain. `put`: how many bytes it took. */
bool cn_openssl_shutdown_quietly(struct cn_tls *tls, SSL *ssl, int copy, int fd, int *ret, size_t *put);

/* CLOSENOTIFY_WAIT_MS: after the program's SSL_shutdown has returned `*own`, waits at most `wait_ms` for the peer's close_notify.
 * Returns what SSL_shutdown would: -1, with the error in the queue, if the session fails instead. `*own`: what came of the session's
 * own alert, which may have waited for room. */
int cn_openssl_shutdown_both(struct cn_tls *tls, SSL *ssl, int *own, unsigned int wait_ms);

/* The stand-in to set instead of a program's callback, for callbacks that OpenSSL has no getter for. It calls the program's one,
 * except while the shim itself works in this thread: the callback's data may be freed by then. Any thread; a stand-in is never
 * taken back. */
cn_msg_callback *cn_openssl_msg_callback(cn_msg_callback *callback);
cn_padding_callback *cn_openssl_padding_callback(cn_padding_callback *callback);

/* SSL_shutdown on a session whose descriptor is closed, or another socket by now: it runs on descriptor -1, so without any I/O.
 * `first`: the program itself has not called SSL_shutdown before. */
int cn_openssl_shutdown_nowhere(struct cn_tls *tls, SSL *ssl, bool first);

#endif
