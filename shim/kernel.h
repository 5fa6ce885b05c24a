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
	bool unknown; /* not open, but only because the kernel could not tell */
	bool tcp;
	bool counts; /* TCP: the kernel counts what is sent (4.2; not qemu-user, nor gVisor); without that, 0 says nothing */
	bool write_shut; /* our FIN is already queued or sent */
	bool peer_shut;  /* the peer's FIN has come */
	bool reset;      /* the connection is gone: by RST, or, if SO_ERROR is 0, by a FIN from both sides */
	bool abort_on_close; /* SO_LINGER {on, 0} */
	int wait_s;      /* SO_LINGER {on, N}: close() waits N seconds for the peer; 0: it does not wait */
	bool unsaid;     /* TCP: some bytes given to the kernel, or FIN after them, were not sent even once */
	bool owing;      /* TCP: bytes were given to the kernel that the peer has not acknowledged */
	uint32_t window; /* TCP: room that the peer has told of; UINT32_MAX: unknown (before Linux 5.4) */
	uint64_t
		handed; /* TCP: payload bytes given to the kernel so far, counted from a fixed but unknown start */
	uint64_t acked, received; /* TCP: bytes that the peer has acknowledged, and that came from it */
	int unread, unsent; /* bytes in the receive queue, bytes not acknowledged; 0 unless a log asks */
};

/* The identity of a socket for as long as the system runs (SO_COOKIE, Linux 4.12); 0 if fd is no stream
 * socket. */
uint64_t cn_socket_cookie(int fd);
bool cn_socket_is(int fd, uint64_t cookie);

/* How many bytes a TCP socket was given so far, counted as in struct cn_socket; false if the kernel can't tell. */
bool cn_socket_handed(int fd, uint64_t *bytes);

/* Whether fd is the socket `cookie`: `open` and `unknown`. */
void cn_socket_identify(int fd, uint64_t cookie, struct cn_socket *out);

/* The same, and what TCP knows of it. */
void cn_socket_look(int fd, uint64_t cookie, struct cn_socket *out);

/* Sets abort_on_close and wait_s: what close() will do. */
void cn_socket_ask_linger(int fd, struct cn_socket *out);

/* Bytes in the receive queue. */
int cn_socket_unread(int fd);

/* The socket's error (SO_ERROR). Reading clears it and the program would miss it, so only at the last close. */
int cn_socket_error(int fd);

/* True if this errno of a send means that the connection is gone. After any other (no room, no memory, a signal) try again: a
 * connection that is gone will then say so. */
bool cn_socket_over(int error);

/* Bytes given to the kernel and not yet acknowledged by the peer, a FIN counting as one; -1 if the kernel can't tell. */
int cn_socket_unacked(int fd);

/* Reads and throws away up to a MiB without blocking; what recv() returns. TCP discards without copying. */
ssize_t cn_socket_discard(int fd, bool tcp);

/* Sends what the kernel takes without blocking and without SIGPIPE; `flags` are added. Returns the number of bytes, with errno if not
 * all. Failures that pass (a signal, no memory) are tried again a few times. */
size_t cn_socket_send(int fd, const unsigned char *bytes, size_t length, int flags);

/* Reads and drops all that has come, up to 64 MiB. False if more is left. `heard` (may be NULL) is set if there was anything. */
bool cn_socket_drain(int fd, bool tcp, bool *heard);

/* Attaches a socket filter, for good: from here on the kernel takes the peer's acknowledgements, but neither its data nor its FIN. It
 * replaces a filter that the program may have set. Linux from August 2026 on wants CAP_NET_ADMIN for it (commit 5d39580f68e6), earlier ones no
 * privilege. 0 or the errno: EPERM without that, or if the program has locked its own. */
int cn_socket_refuse_input(int fd);

/* Takes that filter away again. */
void cn_socket_accept_input(int fd);

/* Whether the program has locked the filter of this socket (SO_LOCK_FILTER), or the kernel can't tell. */
bool cn_socket_filter_is_locked(int fd);

/* TCP_USER_TIMEOUT: how many milliseconds the kernel goes on with bytes that nobody acknowledges. */
void cn_socket_limit(int fd, unsigned int ms);

/* Writes the peer's "address:port", "unix", or "" if the socket has no peer any more. */
void cn_socket_peer(int fd, char *out, size_t size);
/* The same of this side. */
void cn_socket_local(int fd, char *out, size_t size);

/* The lowest number for a descriptor of ours. It is out of the program's way: near its limit, but below 1024, because a high number
 * makes the kernel allocate a large table. */
int cn_high_fd(void);

/* A large table that most programs never use: apart from the small variables, which then share a page. */
#define CN_APART __attribute__((section(".bss.large")))

/* Microseconds on CLOCK_MONOTONIC. */
int64_t cn_now_us(void);

/* Zeroed memory by mmap, which is not freed; NULL if there is none. Unlike malloc, safe in a signal handler. */
void *cn_map(size_t size);

#endif
