/* SPDX-License-Identifier: MIT
 * Which socket carries a session: the hellos seen on their way. Invariants: knows randoms and sockets, not sessions; a
 * random that was seen on two sockets belongs to none.
 *
 * The lock is held for some hundred instructions, twice per handshake. A fork child may find it held by a thread of the
 * parent. So the lock holds cn_process() of its holder, and a process takes over the lock of another one. */
#include "match.h"
#include "kernel.h"
#include "process.h"

#include <sched.h>
#include <string.h>

#define HELLO_RANDOM 11 /* after record header (5), handshake header (4) and version (2) */
#define HELLO_START  (HELLO_RANDOM + CN_RANDOM)
#define HELLOS       16384 /* past that the oldest go first: their sessions are left alone */
#define HEADS        1024
#define HALVES       16

/* A hello that was seen; where is -1 once it was seen on another socket as well. */
struct hello {
	unsigned char random[CN_RANDOM];
	struct cn_carrier where;
	uint32_t next;
};

/* The beginning of one, not whole yet. */
struct half {
	struct cn_carrier where;
	size_t length; /* 0: free */
	unsigned char bytes[HELLO_START];
};

_Atomic uint32_t cn_seekers;

static CN_APART struct {
	_Atomic uint32_t lock; /* cn_process() of the holder; 0: free */
	struct hello *hellos;  /* number 0 is none */
	uint32_t used, hand;   /* numbers used since the last reset; the next to be replaced */
	uint32_t heads[HEADS];
	struct half halves[HALVES];
	uint32_t half_count, next_half;
} seen;

static void reset(void)
{
	memset(seen.heads, 0, sizeof(seen.heads));
	memset(seen.halves, 0, sizeof(seen.halves));
	seen.used = seen.hand = seen.half_count = 0;
}

static void lock(void)
{
	uint32_t self = cn_process(), holder = 0;

	while (!atomic_compare_exchange_weak(&seen.lock, &holder, self)) {
		if (holder && holder != self && atomic_compare_exchange_strong(&seen.lock, &holder, self)) {
			reset();
			return;
		}
		sched_yield();
		holder = 0;
	}
}

static void unlock(void)
{
	atomic_store(&seen.lock, 0);
}

void cn_seek_begins(void)
{
	atomic_fetch_add(&cn_seekers, 1);
}

void cn_seek_over(void)
{
	if (atomic_fetch_sub(&cn_seekers, 1) != 1)
		return;
	lock();
	if (!atomic_load(&cn_seekers)) /* no session will ask for what is left */
		reset();
	unlock();
}

/* --- the hellos, under the lock --- */

static uint32_t *head_of(const unsigned char *random)
{
	uint32_t hash;

	memcpy(&hash, random, sizeof(hash)); /* it is random */
	return &seen.heads[hash % HEADS];
}

static uint32_t *link_to(const unsigned char *random)
{
	uint32_t *link = head_of(random);

	while (*link && memcmp(seen.hellos[*link].random, random, CN_RANDOM) != 0)
		link = &seen.hellos[*link].next;
	return link;
}

/* A free number; the oldest hello gives way when there is none. */
static uint32_t take_number(void)
{
	uint32_t *link;

	if (seen.used < HELLOS - 1)
		return ++seen.used;
	seen.hand = seen.hand % (HELLOS - 1) + 1;
	link = link_to(seen.hellos[seen.hand].random);
	if (*link == seen.hand)
		*link = seen.hellos[seen.hand].next;
	return seen.hand;
}

static void add_random(const unsigned char *random, const struct cn_carrier *where)
{
	uint32_t number, *link;

	if (!seen.hellos && !(seen.hellos = cn_map(HELLOS * sizeof(*seen.hellos))))
		return;
	number = *link_to(random);
	if (number) { /* after HelloRetryRequest the same again (RFC 8446 4.1.2), or somebody's echo */
		if (seen.hellos[number].where.cookie != where->cookie)
			seen.hellos[number].where.fd = -1;
		return;
	}
	number = take_number();
	link = head_of(random);
	seen.hellos[number] = (struct hello){.where = *where, .next = *link};
	memcpy(seen.hellos[number].random, random, CN_RANDOM);
	*link = number;
}

/* A HelloRetryRequest is a ServerHello with this random (RFC 8446 4.1.3). The socket's session begins with it, but its own
 * random comes only with the second one: until then the socket stands for it. */
static const unsigned char retry_request[CN_RANDOM] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

static void add_hello(const unsigned char *random, const struct cn_carrier *where)
{
	unsigned char retried[CN_RANDOM];
	struct cn_carrier first = *where;
	uint32_t number;

	memcpy(retried, retry_request, sizeof(retried));
	for (size_t i = 0; i < sizeof(where->cookie); i++)
		retried[i] ^= (unsigned char)(where->cookie >> (8 * i));
	if (memcmp(random, retry_request, sizeof(retry_request)) == 0) {
		add_random(retried, where);
		return;
	}
	number = seen.hellos ? *link_to(retried) : 0;
	if (number && seen.hellos[number].where.cookie == where->cookie)
		first.handed = seen.hellos[number].where.handed;
	add_random(random, &first);
}

bool cn_seek_find(const unsigned char random[CN_RANDOM], struct cn_carrier *carrier)
{
	uint32_t number;

	lock();
	number = seen.hellos ? *link_to(random) : 0;
	if (number)
		*carrier = seen.hellos[number].where;
	unlock();
	return number && carrier->fd >= 0;
}

/* --- writes --- */

/* True if the bytes may be the beginning of a ClientHello or ServerHello, as far as there are any. */
static bool may_be_hello(const unsigned char *bytes, size_t length)
{
	return length > 0 && bytes[0] == 22 && (length < 2 || bytes[1] == 3) &&
	       (length < 3 || bytes[2] <= 4) && (length < 6 || bytes[5] == 1 || bytes[5] == 2) &&
	       (length < 7 || bytes[6] == 0) && (length < 10 || bytes[9] == 3);
}

static size_t gather(const struct iovec *parts, size_t count, size_t put, unsigned char *bytes, size_t room)
{
	size_t length = 0;

	for (size_t i = 0; i < count && length < room && length < put; i++) {
		size_t take = parts[i].iov_len;

		if (take > room - length)
			take = room - length;
		if (take > put - length)
			take = put - length;
		if (take)
			memcpy(bytes + length, parts[i].iov_base, take);
		length += take;
	}
	return length;
}

static struct half *half_at(uint64_t cookie)
{
	for (int i = 0; i < HALVES; i++) {
		if (seen.halves[i].length && seen.halves[i].where.cookie == cookie)
			return &seen.halves[i];
	}
	return NULL;
}

static void drop_half(struct half *half)
{
	half->length = 0;
	seen.half_count--;
}

static void keep_half(const struct cn_carrier *where, const unsigned char *bytes, size_t length)
{
	struct half *half = &seen.halves[seen.next_half++ % HALVES];

	seen.half_count += !half->length;
	half->where = *where;
	half->length = length;
	memcpy(half->bytes, bytes, length);
}

/* `bytes`: the first of a write on a socket. */
static void note(const struct cn_carrier *where, const unsigned char *bytes, size_t length)
{
	struct half *half = seen.half_count ? half_at(where->cookie) : NULL;

	if (half) {
		size_t take = HELLO_START - half->length;

		if (take > length)
			take = length;
		memcpy(half->bytes + half->length, bytes, take);
		half->length += take;
		if (half->length == HELLO_START && may_be_hello(half->bytes, half->length))
			add_hello(half->bytes + HELLO_RANDOM, &half->where);
		if (half->length == HELLO_START || !may_be_hello(half->bytes, half->length))
			drop_half(half);
	} else if (!may_be_hello(bytes, length)) {
		return;
	} else if (length == HELLO_START) {
		add_hello(bytes + HELLO_RANDOM, where);
	} else {
		keep_half(where, bytes, length);
	}
}

void cn_seek_written(int fd, const struct iovec *parts, size_t count, size_t put)
{
	unsigned char bytes[HELLO_START];
	size_t length = gather(parts, count, put, bytes, sizeof(bytes));
	struct cn_carrier where = {.fd = fd};

	if (!may_be_hello(bytes, length) && !seen.half_count)
		return;
	where.cookie = cn_socket_cookie(fd);
	if (!where.cookie || !cn_socket_handed(fd, &where.handed))
		return;
	where.handed -= put;
	lock();
	note(&where, bytes, length);
	unlock();
}
