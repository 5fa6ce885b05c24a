/* SPDX-License-Identifier: MIT
 * What the kernel knows about a socket. Invariant: remembers nothing; errno is clobbered. */
#ifndef CN_KERNEL_H
#define CN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cn_socket {
	bool open;    /* still the socket with the cookie asked for */
	bool unknown; /* not open, but for another reason than that nothing or no socket is there */
	bool tcp;
	bool write_shut; /* our FIN is already queued or sent */
	bool peer_shut;  /* the peer's FIN has come */
	bool reset;      /* the connection is gone: by RST, or, if SO_ERROR is 0, by a FIN from both sides */
	bool abort_on_close; /* SO_LINGER {on, 0} */
	int wait_s;          /* SO_LINGER {on, N}: close() waits so long for the peer; 0: not */
	bool unsaid;         /* TCP: some of what was given, or FIN behind it, was never sent yet */
	bool owing;          /* TCP: bytes were given to the kernel that the peer has not acknowledged */
	uint64_t handed; /* TCP: payload given to the kernel so far, from some start that does not change */
	uint64_t acked, received; /* TCP: bytes that the peer has acknowledged, and that came from it */
	int unread, unsent;       /* bytes in the receive queue, bytes not acknowledged: for a record, or 0 */
};

/* The identity of a socket for as long as the system runs (SO_COOKIE, Linux 4.12); 0 if fd is no stream
 * socket. */
uint64_t cn_socket_cookie(int fd);
bool cn_socket_is(int fd, uint64_t cookie);

/* How many bytes a TCP socket was given so far, from some start that does not change; false if it can't tell. */
bool cn_socket_handed(int fd, uint64_t *bytes);

/* Looks at fd, which should be the socket `cookie`. */
void cn_socket_look(int fd, uint64_t cookie, struct cn_socket *out);

/* What its close() will do: abort_on_close and wait_s. */
void cn_socket_ask_linger(int fd, struct cn_socket *out);

/* Bytes in the receive queue. */
int cn_socket_unread(int fd);

/* Takes the error that waits for the program's next call (SO_ERROR), so only for a socket that is at its end. */
int cn_socket_error(int fd);

/* The errno of a send: the connection is gone. After any other (no room, no memory, a signal) it is to be tried again, for
 * what is gone says so by then. */
bool cn_socket_over(int error);

/* Bytes (a FIN counts as one) given to the kernel and not yet acknowledged by the peer; -1 if it can't tell.
 */
int cn_socket_unacked(int fd);

/* Reads and throws away up to a MiB without blocking; what recv() returns. TCP discards without copying. */
ssize_t cn_socket_discard(int fd, bool tcp);

/* Sends what the kernel takes without blocking or SIGPIPE, `flags` beside; how many bytes, with errno if that is not all. What fails for the
 * moment (a signal, no memory) is tried again a few times. */
size_t cn_socket_send(int fd, const unsigned char *bytes, size_t length, int flags);

/* All that has come, but no more than 64 MiB. False if that is not all. `heard` (NULL: of no interest) is set if there was any. */
bool cn_socket_drain(int fd, bool tcp, bool *heard);

/* From here on nothing that the peer sends is received or acknowledged, nor its FIN, but its acknowledgements are: a filter, for good, in the place of
 * one that the program may have set. No privilege is needed. 0 or the errno. */
int cn_socket_refuse_input(int fd);

/* How long the kernel goes on with bytes that nobody acknowledges (TCP_USER_TIMEOUT). */
void cn_socket_limit(int fd, unsigned int ms);

/* "address:port" of the peer, "unix", or "" when there is none any more. */
void cn_socket_peer(int fd, char *out, size_t size);
/* The same of this side. */
void cn_socket_local(int fd, char *out, size_t size);

/* From here up a descriptor of ours is out of the program's way: close to its limit, but not where the kernel would need
 * a large table for it. */
int cn_high_fd(void);

/* Zeroed memory straight from the kernel, for good; NULL without any. Safe in a signal handler, as malloc is
 * not. */
void *cn_map(size_t size);

#endif
