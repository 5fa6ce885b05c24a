/* SPDX-License-Identifier: MIT
 * Who is who: descriptor, connection and TLS session, the owner process, duplicates, threads inside, and the
 * facts gathered so far. Invariants: no I/O on a connection; no lock. Memory of a connection is reused but
 * never unmapped, so a stale pointer is safe to read. Before it acts, a thread claims the connection, and then checks
 * that it is still the one it looked for. */
#ifndef CN_CONN_H
#define CN_CONN_H

#include "process.h"
#include "thread.h"
#include "tls.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum cn_fact {
	CN_ESTABLISHED = 1 << 0, /* seen with its handshake finished */
	CN_FATAL = 1 << 1,
	CN_TRUNCATED = 1 << 2,   /* by the peer */
	CN_PEER_CLOSED = 1 << 3, /* the peer's close_notify was read */
	CN_WRITE_PENDING = 1 << 4,
	CN_SAID = 1 << 5, /* by the program, delivered */
	CN_SAID_BY_SHIM = 1 << 6,
	CN_ALERT_PENDING = 1 << 7,   /* the program's own goodbye found no room in the socket */
	CN_CALLED_SHUTDOWN = 1 << 8, /* the program has called for its own */
	CN_RECORDED = 1 << 9,        /* its record has been written */
	CN_SERVER = 1 << 10,
	CN_HANDED_OVER = 1 << 11, /* the descriptor was sent to another process */
	CN_TRIED = 1 << 12,       /* ours was begun; whatever came of it, never a second one */
	CN_SEEN_QUIET = 1 << 13,  /* what the session said of itself, for when it is freed */
	CN_SEEN_UNSUPPORTED = 1 << 14,
	CN_INHERITED = 1 << 15, /* established by another process, before a fork */
	CN_SEEKING = 1 << 16,   /* its handshake is under way, its socket not known to the library */
	CN_MATCHED = 1 << 17,   /* its socket was found by the hello */
	CN_UNREAD =
		1 << 18, /* when it was last asked, the session held bytes that the program has not read */
	CN_CLIENT = 1 << 19,     /* neither this nor CN_SERVER: it was never asked */
	CN_MID_RECORD = 1 << 20, /* CN_TRUNCATED in the middle of a record */
	CN_PEER_RESET = 1 << 21, /* CN_TRUNCATED by a reset */
	CN_FIN_SENT = 1 << 22,   /* by the program's shutdown() */
	CN_MARKED =
		1 << 23, /* the program has marked the peer's close_notify as received (SSL_set_shutdown) */
	CN_REFUSES_INPUT = 1 << 24,  /* the kernel's filter stands on the socket */
	CN_RESET_IN_DOUBT = 1 << 25, /* a reset may be our own kernel's (after SHUT_RDWR), or none */
	CN_PEER_UNTOLD = 1 << 26,    /* the peer's end was met, with close_notify or without */
	CN_EOF_TAKEN = 1 << 27,      /* the library has taken a bare EOF for close_notify */
	CN_INPUT_SHUT = 1 << 28,     /* by the program's shutdown(): from our FIN on, what comes in resets */
	CN_EARLY = 1 << 29, /* early data was written, and nothing after the handshake if it was refused */
	CN_LINGER_OFF = 1 << 30, /* its socket's SO_LINGER was, and no hook has seen it set since */
};
#define CN_STREAM_LOST (UINT32_C(1) << 31) /* stdio's stream on it could not be written out */

/* What the log needs of a connection, and what can't be found out any more when the connection ends. Kept only if there
 * is a log. */
struct cn_label {
	char local[56], peer[56];
	char sni[200];
	const char *version;
	uint64_t serial;
	int64_t established, first_sign; /* microseconds on CLOCK_MONOTONIC; 0: not yet */
	uint64_t consumed;               /* as in struct cn_tls_state, when it was last asked */
	bool resumable, resumable_known;
};

#define CN_GOODBYE_MOST 96    /* 85 with CBC and SHA-384 */
#define CN_REST_MOST    34816 /* a record and an alert with block padding */

struct cn_conn {
	_Atomic uint32_t gate;       /* threads inside a call; CLAIMED while a farewell runs */
	_Atomic uint32_t references; /* descriptors in the table, plus one for the living session */
	_Atomic uint32_t facts;      /* enum cn_fact */
	uint32_t index;              /* its own name in the table */
	void *_Atomic session;       /* SSL *, NULL once freed */
	struct cn_tls *tls;
	uint64_t cookie;                /* SO_COOKIE of the socket; 0: none */
	uint32_t process;               /* cn_process() of the one that speaks TLS on it */
	uint32_t raw_forks;             /* cn_raw_forks() when it was bound */
	struct cn_share *_Atomic share; /* NULL unless it has lived through a fork */
	uint64_t goodbye; /* bytes given to the socket, goodbye included, if all before the goodbye was
			     acknowledged by then; else 0 */
	int fd, read_fd;  /* the descriptors the session writes to and reads from; -1: none */
	_Atomic uint32_t descriptors;  /* how many descriptors of this process are known to be this socket */
	_Atomic uint32_t session_refs; /* SSL_up_ref and the like, beyond the first */
	_Atomic uint32_t next_free;
	_Atomic int
		closed_before; /* a number that was this socket until it was closed before others; -1: none */
	struct cn_label *label; /* NULL without a log */
	unsigned char *rest; /* of our alert, when the socket could not take it all: CN_REST_MOST bytes, NULL
				if never */
	uint32_t rest_length;
	uint32_t unfinished; /* length of the write that CN_WRITE_PENDING is about; 0: unknown */
	bool said_too_late;  /* the program has sent close_notify after an error or an end that allows none */
	bool fin_first;      /* our stream ended in FIN without close_notify, before the peer's did */
	bool said_unseen;    /* its goodbye went into what is not followed: sent or not, nobody here knows */
	_Atomic bool made_watched; /* writes are looked at because of cn_carried(conn)->goodbye_made */
};

_Static_assert(sizeof(struct cn_conn) <= 124, "with its number in the table, 128 bytes for each connection");

/* Of a session that does not write to its socket itself; set from CN_SEEKING on. */
struct cn_carried {
	uint64_t
		handed; /* CN_MATCHED: bytes given to the socket that the session did not make: plain text before it, our alert */
	uint64_t produced;   /* CN_MATCHED: ciphertext that the session has made, as last seen */
	const void *counter; /* CN_MATCHED: what has counted it, as in struct cn_tls_state */
	unsigned char goodbye_made
		[CN_GOODBYE_MOST]; /* the program's, made into memory: it has to carry it to the socket */
	uint32_t made;             /* its length; 0: none */
	bool made_early; /* it was about to be sent before what belongs before it, and stays here until then */
	uint64_t made_at; /* where it belongs: after so many bytes, as cn_socket_handed() counts */
};

#define CN_CONN_CHUNK 512

/* It stands behind the chunk of connections, so one that writes to its socket itself has no memory for it. Any thread. */
static inline struct cn_carried *cn_carried(const struct cn_conn *conn)
{
	uint32_t place = (conn->index - 1) % CN_CONN_CHUNK;

	return (struct cn_carried *)((uintptr_t)(conn - place) + CN_CONN_CHUNK * sizeof(*conn)) + place;
}

/* --- descriptors: two levels, so that an untracked close is a load and a branch and costs no memory --- */

#define CN_FD_CHUNK    1024
#define CN_FD_CHUNKS   1024 /* descriptors from 2^20 on are left alone */
#define CN_FD_RESERVED UINT32_MAX

extern _Atomic uint32_t *_Atomic cn_fd_chunks[CN_FD_CHUNKS];

/* What stands in the table for fd: 0 nothing, CN_FD_RESERVED the log's own descriptor, else a connection. */
static inline uint32_t cn_tracked(int fd)
{
	_Atomic uint32_t *chunk;

	if ((unsigned int)fd >= CN_FD_CHUNK * CN_FD_CHUNKS)
		return 0;
	chunk = atomic_load_explicit(&cn_fd_chunks[(unsigned int)fd / CN_FD_CHUNK], memory_order_acquire);
	if (__builtin_expect(!chunk, 1))
		return 0;
	return atomic_load_explicit(&chunk[(unsigned int)fd % CN_FD_CHUNK], memory_order_acquire);
}

/* The least tracked descriptor from `from` to `last`, or -1. */
int cn_next_tracked(unsigned int from, unsigned int last);

/* Marks and unmarks the log's own descriptor. */
bool cn_reserve_fd(int fd);
void cn_unreserve_fd(int fd);

/* The connection of a descriptor, or NULL. */
struct cn_conn *cn_conn_at(int fd);

/* Notes that `copy` is now the same socket as `fd`. If that is no connection yet and cookie is not 0, it becomes one
 * without a session. */
void cn_conn_copied(int fd, int copy, uint64_t cookie);

/* Keeps a connection from being reused while it is looked at; false if it is gone already. */
bool cn_conn_hold(struct cn_conn *conn);
void cn_conn_drop(struct cn_conn *conn);

/* Takes a descriptor off its connection; false if another thread was quicker or it is not that connection's.
 */
bool cn_conn_remove(struct cn_conn *conn, int fd);

/* --- sessions --- */

/* A new connection for a session, with one reference for the session; NULL without memory. */
struct cn_conn *cn_conn_new(struct cn_tls *tls, void *session);

/* The connection without a session that stands at fd (a socket that was duplicated before TLS began on it) becomes this
 * session's; NULL if there is none. Then it has the session's reference. */
struct cn_conn *cn_conn_adopt(int fd, uint64_t cookie, struct cn_tls *tls, void *session);

/* Ties it to its sockets (-1: none). What stood there before is told that its descriptor is gone. */
void cn_conn_bind(struct cn_conn *conn, int fd, int read_fd, uint64_t cookie);

/* Between the two, writes are looked at because of the goodbye made. False: they were not, or another thread was quicker. */
void cn_conn_watch_made(struct cn_conn *conn);
bool cn_conn_unwatch_made(struct cn_conn *conn);

/* The search for its socket is over, whether it was found or not. */
void cn_conn_seek_over(struct cn_conn *conn);

/* The session's memory is about to be freed: nobody may touch it from here on. Called by the library's own
 * destructor callback. */
void cn_conn_session_gone(struct cn_conn *conn);

/* Calls visit for every connection that has a living session or a descriptor. For exit. */
void cn_conn_each(void (*visit)(struct cn_conn *conn));

/* For cn_processes_start. */
void cn_conns_before_fork(void);
void cn_conns_after_fork(uint32_t parent);

/* --- the gate --- */

#define CN_CLAIMED (UINT32_C(1) << 31)

/* Counts a thread into a library call on this session, and out again. If a thread never comes out (a jump), the count stays,
 * and the session is left to the program from then on. */
static inline void cn_conn_enter(struct cn_conn *conn);
static inline void cn_conn_leave(struct cn_conn *conn);

/* Claims the connection for a farewell, and waits for another farewell, which never blocks. False if threads are inside, or
 * if the other farewell has not ended after a second (a handler has jumped out of it). A signal handler that interrupts a
 * farewell does not come here: it finds cn_inside set. */
bool cn_conn_claim(struct cn_conn *conn);
void cn_conn_release(struct cn_conn *conn);

void cn_conn_wait_to_enter(struct cn_conn *conn);

static inline void cn_conn_enter(struct cn_conn *conn)
{
	if (__builtin_expect(
		    (atomic_fetch_add_explicit(&conn->gate, 1, memory_order_acquire) & CN_CLAIMED) != 0, 0))
		cn_conn_wait_to_enter(conn);
}

static inline void cn_conn_leave(struct cn_conn *conn)
{
	atomic_fetch_sub_explicit(&conn->gate, 1, memory_order_release);
}

static inline void cn_conn_note(struct cn_conn *conn, uint32_t facts)
{
	atomic_fetch_or_explicit(&conn->facts, facts, memory_order_relaxed);
}

static inline bool cn_conn_has(const struct cn_conn *conn, uint32_t facts)
{
	return atomic_load_explicit(&conn->facts, memory_order_relaxed) & facts;
}

/* What the session writes now goes into its socket, or is counted on its way there. */
static inline bool cn_conn_is_followed(const struct cn_conn *conn, const struct cn_tls_state *state)
{
	return state->plain || (cn_conn_has(conn, CN_MATCHED) && state->counter == cn_carried(conn)->counter);
}

#endif
