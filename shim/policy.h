/* SPDX-License-Identifier: MIT
 * The decision: facts in, plan and reason out. Invariant: pure; no I/O, no globals. The rows are those of the
 * design document's table "When not to", in its order. */
#ifndef CN_POLICY_H
#define CN_POLICY_H

#include <stdbool.h>

/* The program's call that ends the connection, or a part of it. */
enum cn_cause {
	CN_CAUSE_FREE,
	CN_CAUSE_CLEAR,
	CN_CAUSE_SHUTDOWN,      /* shutdown(fd, SHUT_WR) */
	CN_CAUSE_SHUTDOWN_BOTH, /* shutdown(fd, SHUT_RDWR) */
	CN_CAUSE_CLOSE,
	CN_CAUSE_DUP2,
	CN_CAUSE_CLOSE_RANGE,
	CN_CAUSE_FCLOSE,
	CN_CAUSE_EXIT,
	CN_CAUSE_REUSE, /* the descriptor carries another session by now */
	CN_CAUSE_COUNT
};

/* The words of the log, one per row of the table. */
enum cn_reason {
	CN_NOT_OWNER,
	CN_SHARED,
	CN_STALE_FD,
	CN_NOT_ESTABLISHED,
	CN_UNSUPPORTED,
	CN_FATAL_SEEN,
	CN_PEER_TRUNCATED,
	CN_TRUNCATED_BY_US,
	CN_DEFERRED,
	CN_ABORT_REQUESTED,
	CN_QUIET,
	CN_UNCLEAN_EXIT,
	CN_CLEAN,
	CN_COMPLETED,
	CN_REPAIRED,
	CN_REASON_COUNT
};

/* A fact that is not known is set so that the program is left alone. */
struct cn_facts {
	bool owner;           /* this process speaks TLS on it */
	bool shared;          /* another process or descriptor still holds it */
	bool stale;           /* the descriptor is closed, or no longer that socket */
	bool unsupported;     /* QUIC, DTLS, kTLS, a transport that can't be appended to */
	bool established;     /* handshake done, none running, more than early data */
	bool fatal;           /* SSL_ERROR_SSL, SSL_ERROR_SYSCALL, a fatal alert either way */
	bool peer_truncated;  /* reset, or EOF without close_notify */
	bool write_pending;   /* a write that the program began is unfinished */
	bool one_record;      /* and what is left of it is one record of known length */
	bool held;            /* ciphertext in user space */
	bool fin_sent;        /* already, without close_notify */
	bool thread_inside;   /* another thread is in a call on this session */
	bool abort_requested; /* SO_LINGER {on, 0} */
	bool quiet;           /* quiet shutdown, or the program set SENT and RECEIVED by hand */
	bool unclean;         /* exit status other than 0 */
	bool said;            /* the program's close_notify was delivered */
	bool said_by_shim;    /* ours was */
	bool alert_pending;   /* the program's own goodbye found no room in the socket */
	bool session_gone;    /* the session is freed: nothing can be sent or read through TLS any more */
	bool over;   /* both sides have said goodbye, and the session is freed: from here on plain text */
	bool stream; /* a stdio stream stands on the descriptor, and exit has yet to flush it */
};

struct cn_rules {
	bool quiet_override;
	bool exit_always;
};

struct cn_plan {
	bool alert;        /* send close_notify, or the rest of one that was begun */
	bool finish_write; /* before the alert: the half record of an unfinished write */
	bool half_close;   /* shutdown(SHUT_WR) */
	bool drain;        /* read unread input away */
	bool refuse_input; /* what comes in from here on would cause RST, and the descriptor stays */
	enum cn_reason reason;
};

struct cn_plan cn_decide(const struct cn_facts *facts, const struct cn_rules *rules, enum cn_cause cause);

/* The word for the log. */
const char *cn_reason_word(enum cn_reason reason);
const char *cn_cause_word(enum cn_cause cause);

#endif
