/* SPDX-License-Identifier: MIT
 * GnuTLS behind tls.h: what its hooks need beyond the table of operations. */
#ifndef CN_TLS_GNUTLS_H
#define CN_TLS_GNUTLS_H

#include "tls.h"

/* The types of its headers; enumerations are unsigned int. */
typedef struct gnutls_session_int *gnutls_session_t;
typedef struct mbuffer_st *gnutls_packet_t;
typedef void *gnutls_transport_ptr_t;
typedef ssize_t (*gnutls_push_func)(gnutls_transport_ptr_t pointer, const void *bytes, size_t length);
typedef ssize_t (*gnutls_vec_push_func)(gnutls_transport_ptr_t pointer, const struct iovec *parts, int count);
typedef ssize_t (*gnutls_pull_func)(gnutls_transport_ptr_t pointer, void *bytes, size_t length);
typedef int (*gnutls_alert_read_func)(gnutls_session_t session, unsigned int encryption, unsigned int level,
				      unsigned int alert);

struct cn_libgnutls {
#define HOOKS_OF                               HOME_GNUTLS
#define HOOK(ret, name, params, home, purpose) ret(*name) params;
#include "hooks.def"
#undef HOOK
};

/* What is unfinished in a session. Until it is over, no alert may be sent. */
enum cn_gnutls_busy {
	CN_GNUTLS_HANDSHAKE = 1 << 0, /* begun, or asked for, and not over */
	CN_GNUTLS_KEY_UPDATE = 1 << 1,
	CN_GNUTLS_REAUTH = 1 << 2,
	CN_GNUTLS_TICKETS = 1 << 3,
};

/* What the shim's push function does with the bytes, while it is in place. */
enum cn_gnutls_way {
	CN_GNUTLS_COUNTED, /* to the program's push function, counted */
	CN_GNUTLS_QUIETLY, /* as the library's own does, but never with SIGPIPE; to `copy` unless that is -1 */
	CN_GNUTLS_NOWHERE, /* EBADF */
	CN_GNUTLS_DROPPED, /* nothing, and says it has sent them: the shim has said goodbye already */
};

/* GnuTLS does not tell a session's push function, role or kind, and has no room for data of ours. So they are kept here, from
 * gnutls_init to gnutls_deinit. Written by the thread that is in a call on the session; one may send while another receives. */
struct cn_gnutls {
	gnutls_session_t _Atomic session; /* NULL: free */
	struct cn_gnutls *next;           /* in its bucket, for good */
	struct cn_tls *tls;
	struct cn_conn *conn;
	gnutls_push_func push; /* the program's; this and vec_push NULL: it uses the library's */
	gnutls_vec_push_func vec_push;
	gnutls_vec_push_func own; /* the library's; NULL: not known */
	gnutls_pull_func pull;    /* the program's, or NULL */
	bool server, datagram, reauth_within_read;
	bool transport;   /* the program has set a descriptor, or the pointer for its push function */
	bool foreign;     /* QUIC, TCP fast open */
	bool established; /* gnutls_handshake has succeeded */
	bool alerted;     /* the program's close_notify by gnutls_alert_send did not fit into the socket */
	bool doomed;      /* the program has sent a fatal alert; GnuTLS itself would let it go on */
	_Atomic uint32_t busy;   /* enum cn_gnutls_busy */
	_Atomic uint64_t pushed; /* bytes that the program's push function has taken */
	_Atomic uint32_t
		lock; /* on the push function: cn_process() of the process whose thread has it; 0: free */
	_Atomic uint32_t users; /* calls under way that need the shim's push function */
	enum cn_gnutls_way way;
	int copy;
	bool keeps; /* what is pushed to the program goes to its connection's goodbye_made as well */
	char sni[200];
};

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

/* CLOSENOTIFY_WAIT_MS: after the program's gnutls_bye(how) has returned `ret`, waits at most `wait_ms` for the peer's
 * close_notify. Returns what gnutls_bye would; `heard`: close_notify has come. */
int cn_gnutls_wait(struct cn_gnutls *g, unsigned int how, int ret, unsigned int wait_ms, bool *heard);

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
