/* SPDX-License-Identifier: MIT
 * GnuTLS 3.6 to 3.8 behind tls.h, built without its headers: the prototypes stand in the list below and a test compiles them
 * against the real ones. Invariant: whatever is done to a session here leaves its transport as it was. */
#include "tls_gnutls.h"
#include "conn.h"
#include "kernel.h"
#include "object.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

typedef struct {
	unsigned char *data;
	unsigned int size;
} gnutls_datum_t;

/* NEED(return type, name, parameters): without it the shim stays out of the library.
 * MAY(...): NULL where the version lacks it. */
#define GNUTLS_USES                                                                                          \
	NEED(void, gnutls_session_get_random, (gnutls_session_t, gnutls_datum_t *, gnutls_datum_t *))        \
	NEED(void, gnutls_transport_get_int2, (gnutls_session_t, int *, int *))                              \
	NEED(void, gnutls_transport_get_ptr2,                                                                \
	     (gnutls_session_t, gnutls_transport_ptr_t *, gnutls_transport_ptr_t *))                         \
	NEED(size_t, gnutls_record_check_pending, (gnutls_session_t))                                        \
	NEED(size_t, gnutls_record_check_corked, (gnutls_session_t))                                         \
	NEED(int, gnutls_record_get_direction, (gnutls_session_t))                                           \
	NEED(int, gnutls_error_is_fatal, (int))                                                              \
	NEED(unsigned int, gnutls_protocol_get_version, (gnutls_session_t))                                  \
	NEED(const char *, gnutls_strerror_name, (int))                                                      \
	NEED(int, gnutls_server_name_get,                                                                    \
	     (gnutls_session_t, void *, size_t *, unsigned int *, unsigned int))                             \
	NEED(unsigned int, gnutls_handshake_get_last_in, (gnutls_session_t))                                 \
	NEED(unsigned int, gnutls_handshake_get_last_out, (gnutls_session_t))                                \
	MAY(unsigned int, gnutls_transport_is_ktls_enabled, (gnutls_session_t))

struct gnutls {
	struct cn_tls tls;
	struct cn_libgnutls real;
#define NEED(ret, name, params) ret(*name) params;
#define MAY                     NEED
	GNUTLS_USES
#undef NEED
#undef MAY
};

/* Values of GnuTLS's headers, the same in all its versions. */
enum {
	SERVER = 1,
	DATAGRAM = 1 << 2,
	AUTO_REAUTH = 1 << 19,
	SHUT_WRITE = 1,
	AL_WARNING = 1,
	A_CLOSE_NOTIFY = 0,
	NAME_DNS = 1,
	TLS_1_2 = 4,
	FINISHED = 20,
	WRITING = 1, /* gnutls_record_get_direction */
};

static struct gnutls *of(const struct cn_tls *tls)
{
	return (struct gnutls *)tls;
}

const struct cn_libgnutls *cn_gnutls_real(const struct cn_tls *tls)
{
	return &of(tls)->real;
}

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _etext[] __attribute__((visibility("hidden")));

/* If a function of libgnutls ends in a jump to another one, the return address is that of our shell, so this library counts too. */
bool cn_gnutls_within(const struct cn_tls *tls, const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	return at - tls->start < tls->length ||
	       at - (uintptr_t)__ehdr_start < (uintptr_t)_etext - (uintptr_t)__ehdr_start;
}

/* --- the sessions --- */

/* A hash table by the session's address. An entry stays in its bucket for good, so a chain can be read without a lock. A freed
 * entry is used again by the next session in the same bucket, so a bucket grows only to the most sessions it had at one time. */
#define BUCKETS 1024
#define TAKEN   ((gnutls_session_t)1)

static CN_APART struct cn_gnutls *_Atomic buckets[BUCKETS];

static struct cn_gnutls *_Atomic *bucket_of(gnutls_session_t session)
{
	return &buckets[((uintptr_t)session >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 54];
}

struct cn_gnutls *cn_gnutls_find(gnutls_session_t session)
{
	struct cn_gnutls *g = atomic_load_explicit(bucket_of(session), memory_order_acquire);

	while (g && atomic_load_explicit(&g->session, memory_order_acquire) != session)
		g = g->next;
	return session ? g : NULL;
}

#define CHUNK_SIZE 4096

struct chunk {
	_Atomic uint32_t used;
	struct cn_gnutls entries[];
};

#define CHUNK_ENTRIES ((CHUNK_SIZE - sizeof(struct chunk)) / sizeof(struct cn_gnutls))

static struct cn_gnutls *new_entry(void)
{
	static struct chunk *_Atomic current;
	struct chunk *chunk = atomic_load(&current), *fresh;
	uint32_t number;

	for (;;) {
		if (chunk && (number = atomic_fetch_add(&chunk->used, 1)) < CHUNK_ENTRIES)
			return &chunk->entries[number];
		fresh = cn_map(CHUNK_SIZE);
		if (!fresh)
			return NULL;
		if (atomic_compare_exchange_strong(&current, &chunk, fresh))
			chunk = fresh;
		else
			munmap(fresh, CHUNK_SIZE);
	}
}

/* An empty entry in the bucket of this address, marked TAKEN. */
static struct cn_gnutls *take_entry(gnutls_session_t session)
{
	struct cn_gnutls *_Atomic *bucket = bucket_of(session);
	struct cn_gnutls *g;

	for (g = atomic_load(bucket); g; g = g->next) {
		gnutls_session_t none = NULL;

		if (!atomic_load(&g->session) && atomic_compare_exchange_strong(&g->session, &none, TAKEN))
			break;
	}
	if (!g) {
		g = new_entry();
		if (!g)
			return NULL;
		atomic_store(&g->session, TAKEN);
		g->next = atomic_load(bucket);
		while (!atomic_compare_exchange_weak(bucket, &g->next, g))
			;
	}
	g->conn = NULL;
	g->push = NULL;
	g->vec_push = NULL;
	g->pull = NULL;
	g->transport = g->foreign = g->established = g->alerted = g->doomed = false;
	g->sni[0] = 0;
	atomic_store(&g->busy, 0);
	atomic_store(&g->pushed, 0);
	atomic_store(&g->lock, 0);
	atomic_store(&g->users, 0);
	g->way = CN_GNUTLS_COUNTED;
	g->copy = -1;
	g->keeps = false;
	return g;
}

/* The session of the call that this thread is in; the shim's push function has no other way to know it. */
static __thread struct cn_gnutls *current __attribute__((tls_model("initial-exec")));

int cn_gnutls_init(struct cn_tls *tls, gnutls_session_t *session, unsigned int flags)
{
	struct cn_gnutls made = {.session = TAKEN}, *before = current, *g;
	int ret;

	current =
		&made; /* gnutls_init sets the library's push function by the exported setter; our hook keeps it */
	ret = of(tls)->real.gnutls_init(session, flags);
	current = before;
	if (ret < 0)
		return ret;
	g = cn_gnutls_find(*session);
	if (g) /* left by a session at this address whose gnutls_deinit we did not see */
		cn_gnutls_forget(g);
	g = take_entry(*session);
	if (!g)
		return ret;
	g->tls = tls;
	g->own = made.own;
	g->server = flags & SERVER;
	g->datagram = flags & DATAGRAM;
	g->reauth_within_read = !g->server && flags & AUTO_REAUTH;
	atomic_store_explicit(&g->session, *session, memory_order_release);
	return ret;
}

void cn_gnutls_set_by_library(gnutls_vec_push_func push)
{
	if (current && atomic_load(&current->session) == TAKEN)
		current->own = push;
}

void cn_gnutls_forget(struct cn_gnutls *g)
{
	struct cn_conn *conn = g->conn;
	int inside = cn_inside;

	/* a signal handler that writes would wait for match.c's lock, which this thread holds */
	cn_inside = 1;
	g->conn = NULL;
	if (conn)
		cn_conn_session_gone(conn);
	atomic_store(&g->session, NULL);
	cn_inside = inside;
}

/* --- what a session pushes --- */

static ssize_t send_quietly(const struct cn_gnutls *g, gnutls_transport_ptr_t pointer,
			    const struct iovec *parts, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};

	return cn_libc()->sendmsg(g && g->copy >= 0 ? g->copy : (int)(intptr_t)pointer, &message,
				  MSG_NOSIGNAL);
}

static ssize_t all_of(const struct iovec *parts, int count)
{
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += parts[i].iov_len;
	return (ssize_t)length;
}

static void keep(struct cn_gnutls *g, const void *bytes, size_t length)
{
	struct cn_carried *carried = cn_carried(g->conn);

	if (length > CN_GOODBYE_MOST - carried->made) {
		g->keeps = false;
		return;
	}
	memcpy(carried->goodbye_made + carried->made, bytes, length);
	carried->made += (uint32_t)length;
}

/* The program's push function has taken so much. */
static void taken(struct cn_gnutls *g, const struct iovec *parts, size_t length)
{
	atomic_fetch_add(&g->pushed, (uint64_t)length);
	for (; g->keeps && length; parts++) {
		size_t part = parts->iov_len < length ? parts->iov_len : length;

		keep(g, parts->iov_base, part);
		length -= part;
	}
}

void cn_gnutls_keep_begin(struct cn_gnutls *g)
{
	cn_carried(g->conn)->made = 0;
	g->keeps = true;
}

void cn_gnutls_keep_over(struct cn_gnutls *g, bool said)
{
	struct cn_carried *carried = cn_carried(g->conn);

	if (!said || !g->keeps)
		carried->made = 0;
	g->keeps = false;
	if (!carried->made)
		return;
	carried->produced = atomic_load(&g->pushed);
	cn_conn_watch_made(g->conn);
}

/* Calls the program's push function and counts what it took. One without a vector gets the parts one by one, as from the library. */
static ssize_t push_on(struct cn_gnutls *g, gnutls_transport_ptr_t pointer, const struct iovec *parts,
		       int count)
{
	ssize_t put = 0;

	if (g->vec_push) {
		put = g->vec_push(pointer, parts, count);
		if (put > 0)
			taken(g, parts, (size_t)put);
		return put;
	}
	for (int i = 0; i < count; i++) {
		ssize_t part = g->push(pointer, parts[i].iov_base, parts[i].iov_len);

		if (part > 0)
			taken(g, &parts[i], (size_t)part), put += part;
		if (part < 0 && i == 0)
			return part;
		if (part < (ssize_t)parts[i].iov_len)
			break;
	}
	return put;
}

/* The session of a push in a call that no hook has seen. Our push function may then be in place because of a call of another thread,
 * or because a longjmp left a call. */
static struct cn_gnutls *user_of(gnutls_transport_ptr_t pointer)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct cn_gnutls *g = atomic_load(&buckets[i]); g; g = g->next) {
			gnutls_session_t session = atomic_load(&g->session);
			gnutls_transport_ptr_t from, to;

			if (!session || session == TAKEN || !atomic_load(&g->users))
				continue;
			of(g->tls)->gnutls_transport_get_ptr2(session, &from, &to);
			if (to == pointer)
				return g;
		}
	}
	return NULL;
}

static ssize_t vec_push(gnutls_transport_ptr_t pointer, const struct iovec *parts, int count)
{
	struct cn_gnutls *g = current ? current : user_of(pointer);

	switch (g ? g->way : CN_GNUTLS_QUIETLY) {
	case CN_GNUTLS_NOWHERE:
		errno = EBADF;
		return -1;
	case CN_GNUTLS_DROPPED:
		return all_of(parts, count);
	case CN_GNUTLS_COUNTED:
		if (g->push || g->vec_push)
			return push_on(g, pointer, parts, count);
		break;
	case CN_GNUTLS_QUIETLY:
		break;
	}
	return send_quietly(g, pointer, parts, count);
}

/* Sets the program's push function again, or the library's own. */
static void put_back(struct cn_gnutls *g)
{
	const struct cn_libgnutls *real = cn_gnutls_real(g->tls);

	if (g->push)
		real->gnutls_transport_set_push_function(g->session, g->push);
	else
		real->gnutls_transport_set_vec_push_function(g->session, g->vec_push ? g->vec_push : g->own);
}

/* Held for a few stores. A fork child may find it held by a thread that exists only in the parent. So the lock holds the number of
 * the process, and a lock of another process is taken over. cn_inside keeps a signal handler of this thread away from it. */
static int lock(struct cn_gnutls *g)
{
	uint32_t self = cn_process(), holder = 0;
	int inside = cn_inside;

	cn_inside = 1;
	while (!atomic_compare_exchange_weak(&g->lock, &holder, self)) {
		if (holder && holder != self && atomic_compare_exchange_strong(&g->lock, &holder, self))
			break;
		if (holder)
			sched_yield();
		holder = 0;
	}
	return inside;
}

static void unlock(struct cn_gnutls *g, int inside)
{
	atomic_store(&g->lock, 0);
	cn_inside = inside;
}

struct cn_gnutls *cn_gnutls_push_begin(struct cn_gnutls *g, enum cn_gnutls_way way, int copy)
{
	struct cn_gnutls *before = current;
	int inside = lock(g);

	if (way != CN_GNUTLS_COUNTED)
		g->way = way, g->copy = copy;
	if (atomic_fetch_add(&g->users, 1) == 0)
		cn_gnutls_real(g->tls)->gnutls_transport_set_vec_push_function(g->session, vec_push);
	current = g;
	unlock(g, inside);
	return before;
}

void cn_gnutls_push_over(struct cn_gnutls *g, struct cn_gnutls *before)
{
	int inside = lock(g);

	current = before;
	if (atomic_fetch_sub(&g->users, 1) == 1) {
		g->way = CN_GNUTLS_COUNTED;
		g->copy = -1;
		put_back(g);
	}
	unlock(g, inside);
}

void cn_gnutls_set_push(struct cn_gnutls *g, gnutls_push_func push, gnutls_vec_push_func vector)
{
	int inside = lock(g);

	g->push = push;
	g->vec_push = vector == g->own ? NULL : vector;
	if (!atomic_load(&g->users))
		put_back(g);
	unlock(g, inside);
}

/* --- facts --- */

static bool is_plain(const struct cn_gnutls *g)
{
	return !g->push && !g->vec_push && g->transport && !g->foreign;
}

static void descriptors(struct cn_tls *tls, void *session, int *read_fd, int *write_fd)
{
	struct cn_gnutls *g = cn_gnutls_find(session);

	*read_fd = *write_fd = -1;
	if (!g || !is_plain(g))
		return;
	of(tls)->gnutls_transport_get_int2(session, read_fd, write_fd);
	if (g->pull) /* the program's pull function may take its pointer for anything but a descriptor */
		*read_fd = *write_fd;
}

/* A server learns the name from the session; a client's was kept when the program set it. */
static void ask_name(struct gnutls *o, struct cn_gnutls *g)
{
	size_t length = sizeof(g->sni) - 1;
	unsigned int type;

	if (!g->server || g->sni[0])
		return;
	if (o->gnutls_server_name_get(g->session, g->sni, &length, &type, 0) < 0 || type != NAME_DNS)
		length = 0;
	g->sni[length < sizeof(g->sni) ? length : 0] = 0;
}

/* As OpenSSL names them, so that all records have the same words. */
static const char *version_word(unsigned int version)
{
	static const char *const words[] = {NULL, "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

	return version < sizeof(words) / sizeof(*words) ? words[version] : NULL;
}

static void look(struct cn_tls *tls, void *session, struct cn_tls_state *state)
{
	struct gnutls *o = of(tls);
	struct cn_gnutls *g = cn_gnutls_find(session);
	int read_fd;

	*state = (struct cn_tls_state){.fd = -1, .unsupported = !g};
	if (!g)
		return;
	state->plain = is_plain(g);
	descriptors(tls, session, &read_fd, &state->fd);
	state->produced = atomic_load(&g->pushed);
	state->unsupported =
		g->datagram || g->foreign || (!g->own && !g->push && !g->vec_push) ||
		(o->gnutls_transport_is_ktls_enabled && o->gnutls_transport_is_ktls_enabled(session));
	state->established = g->established && !atomic_load(&g->busy);
	state->received = g->conn && cn_conn_has(g->conn, CN_PEER_CLOSED);
	state->unread = o->gnutls_record_check_pending(session) > 0;
	state->held = o->gnutls_record_check_corked(session) > 0;
	state->server = g->server;
	state->version = version_word(o->gnutls_protocol_get_version(session));
	if (g->established)
		ask_name(o, g);
	state->sni = g->sni[0] ? g->sni : NULL;
}

static bool hello_random(struct cn_tls *tls, void *session, unsigned char random[CN_RANDOM])
{
	static const unsigned char none[CN_RANDOM];
	struct cn_gnutls *g = cn_gnutls_find(session);
	gnutls_datum_t client = {0}, server = {0};

	if (!g)
		return false;
	of(tls)->gnutls_session_get_random(session, &client, &server);
	memcpy(random, g->server ? server.data : client.data, CN_RANDOM);
	return memcmp(random, none, CN_RANDOM) != 0;
}

static bool set_conn(struct cn_tls *tls, void *session, struct cn_conn *conn)
{
	struct cn_gnutls *g = cn_gnutls_find(session);

	(void)tls;
	if (g)
		g->conn = conn;
	return g;
}

/* 0 means the peer's close_notify, because only calls that read are told of with 0. */
static enum cn_outcome outcome(struct cn_tls *tls, void *session, int ret)
{
	struct gnutls *o = of(tls);
	struct cn_gnutls *g = cn_gnutls_find(session);
	int error = errno;

	switch (ret) {
	case 0:
		return CN_OUT_CLOSED;
	case CN_GNUTLS_E_PREMATURE:
		return CN_OUT_TRUNCATED;
	case CN_GNUTLS_E_PUSH:
	case CN_GNUTLS_E_PULL:
		return error == ECONNRESET || error == EPIPE || error == ETIMEDOUT ? CN_OUT_TRUNCATED
										   : CN_OUT_FATAL;
	case CN_GNUTLS_E_AGAIN:
	case CN_GNUTLS_E_INTERRUPTED:
		return o->gnutls_record_get_direction(session) == WRITING ? CN_OUT_WANT_WRITE : CN_OUT_WANT;
	case CN_GNUTLS_E_TIMED_OUT: /* gnutls_error_is_fatal calls it fatal, but the session survives */
		return CN_OUT_WANT;
	case CN_GNUTLS_E_INVALID_REQUEST:
		return CN_OUT_REFUSED;
	case CN_GNUTLS_E_INVALID_SESSION: /* also because it has been ended by our own goodbye */
		return g && g->conn && cn_conn_has(g->conn, CN_SAID_BY_SHIM) ? CN_OUT_REFUSED : CN_OUT_FATAL;
	default:
		return o->gnutls_error_is_fatal(ret) ? CN_OUT_FATAL : CN_OUT_WANT;
	}
}

static const char *error_word(struct cn_tls *tls, void *session, int ret)
{
	const char *word = ret < 0 ? of(tls)->gnutls_strerror_name(ret) : NULL;

	(void)session;
	return ret == 0 ? "GNUTLS_E_SESSION_EOF" : ret > 0 ? NULL : word ? word : "unknown";
}

bool cn_gnutls_reads(struct cn_gnutls *g)
{
	return of(g->tls)->gnutls_record_get_direction(g->session) != WRITING;
}

bool cn_gnutls_has_heard(struct cn_gnutls *g)
{
	char byte;

	/* Nothing more is read: it is 0 after close_notify, else GNUTLS_E_INVALID_SESSION. */
	return cn_gnutls_real(g->tls)->gnutls_record_recv(g->session, &byte, 1) == 0;
}

bool cn_gnutls_shakes_hands(struct cn_gnutls *g)
{
	struct gnutls *o = of(g->tls);

	return o->gnutls_protocol_get_version(g->session) <= TLS_1_2 &&
	       (o->gnutls_handshake_get_last_out(g->session) != FINISHED ||
		o->gnutls_handshake_get_last_in(g->session) != FINISHED);
}

/* --- the goodbye, into memory --- */

struct memory {
	size_t length;
	unsigned char bytes[CN_REST_MOST];
};

static struct memory *_Atomic spare; /* NULL while a thread uses it */

static struct memory *take_memory(void)
{
	struct memory *memory = atomic_exchange(&spare, NULL);

	if (!memory)
		memory = cn_map(sizeof(*memory));
	if (memory)
		memory->length = 0;
	return memory;
}

static void give_memory(struct memory *memory)
{
	struct memory *none = NULL;

	if (!atomic_compare_exchange_strong(&spare, &none, memory))
		munmap(memory, sizeof(*memory));
}

static ssize_t push_into(gnutls_transport_ptr_t pointer, const struct iovec *parts, int count)
{
	struct memory *memory = pointer;

	for (int i = 0; i < count; i++) {
		if (parts[i].iov_len > sizeof(memory->bytes) - memory->length) {
			errno = ENOMEM;
			return -1;
		}
		memcpy(memory->bytes + memory->length, parts[i].iov_base, parts[i].iov_len);
		memory->length += parts[i].iov_len;
	}
	return all_of(parts, count);
}

/* gnutls_bye sends the rest of a begun record first. But if the peer has asked for a key update, that update goes before the record,
 * and only the write itself keeps that order. The write also tells whether the record was all that the program wanted to send. */
static bool say(const struct cn_libgnutls *real, struct cn_gnutls *g, const struct cn_seal *how)
{
	gnutls_session_t session = g->session;

	if (how->unfinished && real->gnutls_record_send(session, NULL, 0) != (ssize_t)how->unfinished)
		return false;
	/* Send the rest of the program's own alert; gnutls_bye would add a second one. */
	if (how->begun && g->alerted)
		return real->gnutls_alert_send(session, AL_WARNING, A_CLOSE_NOTIFY) == 0;
	return real->gnutls_bye(session, SHUT_WRITE) == 0;
}

static bool seal(struct cn_tls *tls, void *session, const struct cn_seal *how, struct cn_sealed *sealed)
{
	const struct cn_libgnutls *real = cn_gnutls_real(tls);
	struct cn_gnutls *g = cn_gnutls_find(session);
	gnutls_transport_ptr_t from, to;
	struct memory *memory;
	bool said;

	memory = g ? take_memory() : NULL;
	if (!memory)
		return false;
	of(tls)->gnutls_transport_get_ptr2(session, &from, &to);
	real->gnutls_transport_set_ptr2(session, from, memory);
	real->gnutls_transport_set_vec_push_function(session, push_into);
	said = say(real, g, how) && memory->length > 0;
	put_back(g);
	real->gnutls_transport_set_ptr2(session, from, to);
	if (!said) {
		give_memory(memory);
		return false;
	}
	sealed->bytes = memory->bytes;
	sealed->length = memory->length;
	sealed->keep = memory;
	return true;
}

static void unseal(struct cn_tls *tls, struct cn_sealed *sealed)
{
	(void)tls;
	give_memory(sealed->keep);
}

/* --- CLOSENOTIFY_WAIT_MS --- */

static ssize_t pull_at_once(gnutls_transport_ptr_t pointer, void *bytes, size_t length)
{
	return recv((int)(intptr_t)pointer, bytes, length, MSG_DONTWAIT);
}

/* GnuTLS has no getter for its own pull function. This does the same. */
static ssize_t pull_as_ever(gnutls_transport_ptr_t pointer, void *bytes, size_t length)
{
	return recv((int)(intptr_t)pointer, bytes, length, 0);
}

static bool wait_until(int64_t end, int fd, short what)
{
	struct pollfd can = {.fd = fd, .events = what};
	int64_t left = (end - cn_now_us()) / 1000;

	return left > 0 && poll(&can, 1, (int)left) != 0;
}

static bool again(int ret)
{
	return ret == CN_GNUTLS_E_AGAIN || ret == CN_GNUTLS_E_INTERRUPTED;
}

/* Reads and drops data. Returns 0 at the peer's close_notify, E_AGAIN if nothing more is here yet, else the error. */
static int read_away(struct cn_gnutls *g)
{
	const struct cn_libgnutls *real = cn_gnutls_real(g->tls);
	char bytes[4096];
	ssize_t got;

	do
		got = real->gnutls_record_recv(g->session, bytes, sizeof(bytes));
	while (got > 0);
	return (int)got;
}

int cn_gnutls_wait(struct cn_gnutls *g, unsigned int how, int ret, unsigned int wait_ms, bool *heard)
{
	const struct cn_libgnutls *real = cn_gnutls_real(g->tls);
	int64_t end = cn_now_us() + (int64_t)wait_ms * 1000;
	int read_fd, fd, end_read;

	of(g->tls)->gnutls_transport_get_int2(g->session, &read_fd, &fd);
	/* Our own alert first, if the socket could not take it. */
	while (again(ret) && !cn_gnutls_reads(g) && wait_until(end, fd, POLLOUT))
		ret = real->gnutls_bye(g->session, how);
	if (g->pull || (ret < 0 && !(again(ret) && cn_gnutls_reads(g))) || (ret == 0 && how != SHUT_WRITE))
		return ret;
	real->gnutls_transport_set_pull_function(g->session, pull_at_once);
	do
		end_read = how == SHUT_WRITE ? read_away(g) : real->gnutls_bye(g->session, how);
	while (again(end_read) && wait_until(end, read_fd, POLLIN));
	real->gnutls_transport_set_pull_function(g->session, pull_as_ever);
	*heard = end_read == 0 && (how == SHUT_WRITE || cn_gnutls_has_heard(g));
	return how == SHUT_WRITE ? ret : end_read;
}

/* --- one loaded libgnutls --- */

static const struct cn_tls_ops ops = {
	.may_unload = true,
	.frees = "gnutls_deinit",
	.descriptors = descriptors,
	.look = look,
	.hello_random = hello_random,
	.set_conn = set_conn,
	.outcome = outcome,
	.error_word = error_word,
	.seal = seal,
	.unseal = unseal,
};

/* Used if mmap fails: without the table of functions not even the program's own call could be made. */
static struct gnutls last_resort;
static atomic_flag last_resort_taken = ATOMIC_FLAG_INIT;

static struct cn_tls *prepare(const struct cn_object *home)
{
	struct gnutls *o = mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool all = true;
	void *found;

	if (o == MAP_FAILED)
		o = atomic_flag_test_and_set(&last_resort_taken) ? NULL : &last_resort;
	if (!o)
		return NULL;
	o->tls.ops = &ops;
	o->tls.home = home->dynamic;
	o->tls.start = home->start;
	o->tls.length = home->end - home->start;
#define FIND(member, name)                                                                                   \
	found = cn_object_symbol(home, #name);                                                               \
	memcpy(&member name, &found, sizeof(found));
#define HOOKS_OF                                    HOME_GNUTLS
#define HOOK(ret, name, params, hook_home, purpose) FIND(o->real., name)
#include "hooks.def"
#undef HOOK
#define MAY(ret, name, params)  FIND(o->, name)
#define NEED(ret, name, params) FIND(o->, name) all &= found != NULL;
	GNUTLS_USES
#undef NEED
#undef MAY
	o->tls.usable = all && o->real.gnutls_bye && o->real.gnutls_transport_set_ptr2 &&
			o->real.gnutls_transport_set_vec_push_function;
	return &o->tls;
}

static void discard(struct cn_tls *tls)
{
	if (of(tls) == &last_resort)
		atomic_flag_clear(&last_resort_taken);
	else
		munmap(tls, sizeof(struct gnutls));
}

struct cn_tls_kind cn_gnutls_kind = {.mark = "gnutls_deinit", .prepare = prepare, .discard = discard};
