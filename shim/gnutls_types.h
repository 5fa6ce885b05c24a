/* SPDX-License-Identifier: MIT
 * GnuTLS's types, the real functions behind its hooks, and what is kept of a session. */
#ifndef CN_GNUTLS_TYPES_H
#define CN_GNUTLS_TYPES_H

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

#endif
