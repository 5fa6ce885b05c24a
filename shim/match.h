/* SPDX-License-Identifier: MIT
 * Which socket carries a session that its library ties to none: custom BIO, BIO pair, memory BIO. The hello random that
 * the library knows is sent in clear in the first flight (RFC 8446 4.1.2, 4.1.3). So the socket to which that flight is
 * written is the session's, whatever is in between. Invariants: knows randoms and sockets, not sessions; a random that was seen
 * on two sockets belongs to none. */
#ifndef CN_MATCH_H
#define CN_MATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define CN_RANDOM 32 /* bytes */

/* How many handshakes are under way whose socket is not known, and calls that write quietly (cn_quiet_fd). While it is 0, nobody looks at any
 * write. */
extern _Atomic uint32_t cn_seekers;

/* Called before and after such a handshake. Any thread. */
void cn_seek_begins(void);
void cn_seek_over(void);

/* The kernel has taken `put` bytes of these parts for fd. Any thread, signal handlers included, with cn_inside set; errno is
 * clobbered. */
void cn_seek_written(int fd, const struct iovec *parts, size_t count, size_t put);

struct cn_carrier {
	int fd;
	uint64_t cookie;
	uint64_t handed; /* bytes given to the socket before the hello, see struct cn_socket */
};

/* The socket on which a hello with this random was written; false if on none, or on more than one. */
bool cn_seek_find(const unsigned char random[CN_RANDOM], struct cn_carrier *carrier);

#endif
