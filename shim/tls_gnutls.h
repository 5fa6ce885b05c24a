/* SPDX-License-Identifier: MIT
 * GnuTLS behind tls.h: what its hooks need beyond the table of operations. */
#ifndef CN_TLS_GNUTLS_H
#define CN_TLS_GNUTLS_H

#include "gnutls_types.h"

extern struct cn_tls_kind cn_gnutls_kind;

/* What is kept of a session, or NULL if its gnutls_init was not seen. Any thread. */
struct cn_gnutls *cn_gnutls_find(gnutls_session_t session);

/* The real gnutls_init, and what is kept of its session from then on. */
int cn_gnutls_init(struct cn_tls *tls, gnutls_session_t *session, unsigned int flags);

/* A push function was set from within the library itself. */
void cn_gnutls_set_by_library(gnutls_vec_push_func push);

/* The session is about to be freed: forgets what is kept of it. */
void cn_gnutls_forget(struct cn_gnutls *g);

/* The real functions of a library of this kind. */
const struct cn_libgnutls *cn_gnutls_real(const struct cn_tls *tls);

/* The code at `caller` is the library's or the shim's own. */
bool cn_gnutls_within(const struct cn_tls *tls, const void *caller);

/* Before and after a call on a session during which the shim's push function is in place. `before` is what begin returned. */
struct cn_gnutls *cn_gnutls_push_begin(struct cn_gnutls *g, enum cn_gnutls_way way, int copy);
void cn_gnutls_push_over(struct cn_gnutls *g, struct cn_gnutls *before);

/* Bracket the program's own goodbye into a push function of its own: what that takes is kept as the connection's goodbye_made.
 * `said`: the goodbye has succeeded. */
void cn_gnutls_keep_begin(struct cn_gnutls *g);
void cn_gnutls_keep_over(struct cn_gnutls *g, bool said);

/* The program sets a push function, one of the two, the other NULL. Takes effect at once, or when the shim's is taken out again. */
void cn_gnutls_set_push(struct cn_gnutls *g, gnutls_push_func push, gnutls_vec_push_func vec_push);

/* After E_AGAIN: the session waits to read, so nothing is left to be written. */
bool cn_gnutls_reads(struct cn_gnutls *g);

/* After gnutls_bye(GNUTLS_SHUT_RDWR) has returned 0: whether close_notify was what ended its reading. A bare FIN would do. */
bool cn_gnutls_has_heard(struct cn_gnutls *g);

/* TLS 1.2: another handshake, of which the program knows nothing (GNUTLS_AUTO_REAUTH), has begun and is not over. */
bool cn_gnutls_shakes_hands(struct cn_gnutls *g);

/* CLOSENOTIFY_WAIT_MS: after the program's gnutls_bye(how) has returned `ret`, waits at most `wait_ms` for what it waits for: the
 * peer's close_notify with SHUT_RDWR. Returns what gnutls_bye would. */
int cn_gnutls_wait(struct cn_gnutls *g, unsigned int how, int ret, unsigned int wait_ms);

enum {
	CN_GNUTLS_E_INVALID_SESSION = -10,
	CN_GNUTLS_E_FATAL_ALERT = -12,
	CN_GNUTLS_E_AGAIN = -28,
	CN_GNUTLS_E_GOT_APPLICATION_DATA = -38,
	CN_GNUTLS_E_INVALID_REQUEST = -50,
	CN_GNUTLS_E_INTERRUPTED = -52,
	CN_GNUTLS_E_PUSH = -53,
	CN_GNUTLS_E_PULL = -54,
	CN_GNUTLS_E_INTERNAL = -59,
	CN_GNUTLS_E_PREMATURE = -110,
	CN_GNUTLS_E_TIMED_OUT = -319,
};

#endif
