/* SPDX-License-Identifier: MIT
 * What the core needs of a TLS library, as a small table of operations; one tls_*.c per library. Invariant:
 * no library's type leaves its files.
 *
 * A third library, after the model of hook_gnutls.c, tls_gnutls.c and gnutls_session.c, takes:
 * 1. In hooks.def, a HOME_ of its own and rows for what begins, reads, writes, ends and frees a session.
 * 2. tls_NAME.c: a struct cn_tls_kind with the function by which the library is known, and the prototypes that are needed.
 * 3. There, struct cn_tls_ops. `seal` is the hard part: it encrypts close_notify into memory and leaves the session's transport as it
 *    was. `look` has to refuse what the library itself does not: not established, or unsupported.
 * 4. hook_NAME.c: shells that call cn_session_met before the real function and cn_session_left after it, cn_at_exit_once when a
 *    session begins, cn_session_ends and cn_conn_session_gone before it is freed. No other file of the library has to change.
 * 5. The name of its file in deep.c (--deep) and scripts/closenotify-check, that of its free in scripts/closenotify-record.schema.json
 *    and scripts/report/lanes.py.
 * 6. Tests as in tests/gnutls.bats: each way to be rude, without the library first; each refusal, left as it was. tests/house.bats fails
 *    if a file of shim/ becomes part of a circle. */
#ifndef CN_TLS_H
#define CN_TLS_H

#include "match.h"
#include "libc.h"

#include <stdbool.h>
#include <stddef.h>

struct cn_conn;
struct cn_object;
struct cn_tls;

/* How a call on a session failed. */
enum cn_outcome {
	CN_OUT_WANT,       /* would block, or wants a callback: to be repeated */
	CN_OUT_WANT_WRITE, /* would block with bytes of a record begun */
	CN_OUT_REFUSED, /* the call touched nothing, the session is as it was: a bad length, a changed buffer */
	CN_OUT_CLOSED,    /* the peer's close_notify */
	CN_OUT_TRUNCATED, /* the peer's end or reset without one */
	CN_OUT_UNTOLD,    /* the peer's end, and the library does not tell which */
	CN_OUT_FATAL,     /* a fatal alert either way, or any other error the session does not survive */
};

struct cn_tls_state {
	bool unsupported;    /* QUIC, DTLS, kTLS, asynchronous jobs, SSL_set_session(NULL) */
	bool quic;           /* whose end is no close_notify */
	bool keyless;        /* has forgotten how to encrypt: nobody can read its alert */
	bool plain;          /* what it writes goes straight into a socket */
	int fd;              /* that socket; -1: not known */
	bool established;    /* handshake finished and none running */
	bool quiet;          /* quiet shutdown is set */
	bool sent;           /* close_notify is marked as sent; by hand, perhaps, or it could not be */
	bool received;       /* the peer's as come; by hand, perhaps, or it was a bare EOF */
	bool unread;         /* bytes of the peer's wait in the session */
	bool held;           /* ciphertext waits in a buffer above the socket; known only if plain */
	uint64_t produced;   /* bytes of ciphertext given to the write BIO so far */
	const void *counter; /* which counts them: that BIO */
	uint64_t
		consumed; /* and taken from what lies between socket and session, where something does; else 0 */
	bool server;
	bool resumable;      /* its TLS session, by what has happened so far */
	bool resumable_told; /* else nobody knows */
	const char *version;
	const char *sni; /* NULL if none */
};

/* How to say it. */
struct cn_seal {
	bool begun;        /* the program's own was begun: only what is left of it */
	size_t unfinished; /* length of a write whose only record is half out and goes first; 0: none */
};

/* A close_notify, encrypted and in memory. */
struct cn_sealed {
	const unsigned char *bytes;
	size_t length;
	void *keep; /* the library's own */
};

struct cn_tls_ops {
	/* A write on an established session is unfinished only if it waits for room: CN_OUT_WANT is left from a read. */
	bool writes_wait_for_room;
	bool may_unload; /* dlclose() can take the library away while a session of it was never freed */
	bool outlives_handlers; /* its sessions can be used in every exit handler: it cleans up in a destructor */
	const char *frees, *clears; /* its functions that free a session, and begin it anew (NULL: none) */
	/* The socket descriptors of a session, -1 where it has none. */
	void (*descriptors)(struct cn_tls *tls, void *session, int *read_fd, int *write_fd);
	void (*look)(struct cn_tls *tls, void *session, struct cn_tls_state *state);
	/* The random of this side's hello; false as long as there is none. */
	bool (*hello_random)(struct cn_tls *tls, void *session, unsigned char random[CN_RANDOM]);
	/* Makes conn the session's object, to be found by the library's hooks and told when the session is freed; NULL lets
	 * go of it. */
	bool (*set_conn)(struct cn_tls *tls, void *session, struct cn_conn *conn);
	/* Classifies a call that returned failure; leaves the error queue alone. */
	enum cn_outcome (*outcome)(struct cn_tls *tls, void *session, int ret);
	/* True if early data was sent and the server did not take it. NULL: the library's early data is not known here. */
	bool (*early_refused)(struct cn_tls *tls, void *session);
	/* Copies the ciphertext that the session has made after the first `from` bytes, if it writes into memory, all of that lies
	 * there still, and it is no more than `room`. Returns its length, or 0. NULL: no such memory is known here. */
	size_t (*made_since)(struct cn_tls *tls, void *session, uint64_t from, unsigned char *bytes,
			     size_t room);
	/* The library's word for how a call ended; NULL if it succeeded. */
	const char *(*error_word)(struct cn_tls *tls, void *session, int ret);
	/* Encrypts close_notify into memory: no I/O, no signal, error queue as found. False: nothing may be
	 * sent. */
	bool (*seal)(struct cn_tls *tls, void *session, const struct cn_seal *how, struct cn_sealed *sealed);
	void (*unseal)(struct cn_tls *tls, struct cn_sealed *sealed);
};

/* One loaded TLS library. */
struct cn_tls {
	const struct cn_tls_ops *ops;
	bool usable;              /* has all that the shim needs */
	_Atomic bool open_inside; /* the library's own calls of exported functions come by our hooks */
	_Atomic bool told;        /* that it is not usable */
	const void *home;         /* cn_object.dynamic of the one that defines it */
	uintptr_t start, length;  /* its place in memory */
	struct cn_tls *_Atomic next;
};

/* A kind of TLS library, and those of it that were met. */
struct cn_tls_kind {
	const char *mark; /* a function that every library of this kind defines, and no other */
	/* `home`: the object that defines it. NULL without memory. Discard takes back what was prepared twice. */
	struct cn_tls *(*prepare)(const struct cn_object *home);
	void (*discard)(struct cn_tls *tls);
	struct cn_tls *_Atomic first; /* which knows the next */
};

/* False once the program has unloaded it. Any thread. */
bool cn_tls_is_loaded(const struct cn_tls *tls);

/* The library of that kind that the code at `caller` (a return address) is bound to; else any there is; NULL: none. Any
 * thread. */
struct cn_tls *cn_tls_bound(struct cn_tls_kind *kind, const void *caller);

/* The library that an object of its making belongs to: among the first `count` words of it is a pointer to the library's
 * table of methods, say. Else as cn_tls_bound. Any thread. The first call for a library looks through the loaded objects; every
 * later one is a few compares.
 *
 * Return addresses will not do alone: libssl ends functions in jumps (SSL_connect to SSL_do_handshake), and a program that
 * has its functions by dlsym() on a handle may be bound to none, or call several from one place. */
struct cn_tls *cn_tls_of(struct cn_tls_kind *kind, const void *const *words, int count, const void *caller);

#endif
