/* SPDX-License-Identifier: MIT
 * GnuTLS 3.6 to 3.8 behind tls.h: what a session is asked, and its goodbye. Invariant: whatever is done to a session here leaves its
 * transport as it was. */
#include "conn.h"
#include "gnutls.h"
#include "kernel.h"
#include "object.h"
#include "tls_gnutls.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

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
	return cn_gnutls_length(parts, count);
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
	cn_gnutls_put_back(g);
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

int cn_gnutls_wait(struct cn_gnutls *g, unsigned int how, int ret, unsigned int wait_ms)
{
	const struct cn_libgnutls *real = cn_gnutls_real(g->tls);
	int64_t end = cn_now_us() + (int64_t)wait_ms * 1000;
	int read_fd, fd;

	of(g->tls)->gnutls_transport_get_int2(g->session, &read_fd, &fd);
	/* Our own alert first, if the socket could not take it. */
	while (again(ret) && !cn_gnutls_reads(g) && wait_until(end, fd, POLLOUT))
		ret = real->gnutls_bye(g->session, how);
	if (g->pull || !again(ret) || !cn_gnutls_reads(g))
		return ret;
	real->gnutls_transport_set_pull_function(g->session, pull_at_once);
	while (again(ret) && wait_until(end, read_fd, POLLIN))
		ret = real->gnutls_bye(g->session, how);
	real->gnutls_transport_set_pull_function(g->session, pull_as_ever);
	return ret;
}

/* --- one loaded libgnutls --- */

static const struct cn_tls_ops ops = {
	.may_unload = true,
	.outlives_handlers = true,
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
