/* SPDX-License-Identifier: MIT
 * Fills in the records of the log: ends, calls, counts. Invariant: changes nothing of what happens. */
#include "event.h"
#include "hook.h"
#include "kernel.h"
#include "record.h"
#include "sink.h"
#include "usdt.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES_MOST       24
#define FIELDS_OF_END     48
#define FIELDS_OF_SUMMARY 32
#define FIELDS_MOST       16 /* of the others */

__thread const void *cn_caller __attribute__((tls_model("initial-exec")));

/* In place: a copy of the fields is more than many signal handlers have of stack. */
static void begin(struct cn_record *r, const char *event, struct cn_field *fields, int most)
{
	*r = (struct cn_record){.event = event, .fields = fields, .most = most};
	clock_gettime(CLOCK_REALTIME, &r->time);
}

static void add_word(struct cn_record *r, const char *key, const char *word)
{
	cn_record_add(r, (struct cn_field){CN_FIELD_WORD, key, {.word = word}});
}

static void add_outside(struct cn_record *r, const char *key, const char *word)
{
	cn_record_add(r, (struct cn_field){CN_FIELD_OUTSIDE, key, {.word = word && *word ? word : NULL}});
}

static void add_count(struct cn_record *r, const char *key, int64_t count)
{
	cn_record_add(r, (struct cn_field){CN_FIELD_COUNT, key, {.count = count}});
}

static void add_flag(struct cn_record *r, const char *key, int flag)
{
	cn_record_add(r, (struct cn_field){CN_FIELD_FLAG, key, {.count = flag}});
}

/* This library, from its first byte to its last. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

/* Where the program made this call; NULL if a hook of ours made it (syscall and closefrom call other hooks). */
static const void *caller(void)
{
	bool ours = (uintptr_t)cn_caller - (uintptr_t)__ehdr_start < (uintptr_t)(_end - __ehdr_start);

	return ours ? NULL : cn_caller;
}

static void add_code(struct cn_record *r, const char *key, const void *code)
{
	cn_record_add(r, (struct cn_field){CN_FIELD_CODE, key, {.code = code}});
}

/* PID-COOKIE, the cookie as ss(8) shows it. Without a socket, a number of our own with a leading zero takes its place. */
static void put_id_of(uint64_t cookie, uint64_t serial, char id[CN_ID_SIZE])
{
	char *end = id + CN_ID_SIZE, *at = end;

	*--at = '\0';
	at = cn_digits_before(at, cookie ? cookie : serial, 16);
	if (!cookie)
		*--at = '0';
	*--at = '-';
	at = cn_digits_before(at, (uint64_t)getpid(), 10);
	memmove(id, at, (size_t)(end - at));
}

static void put_id(const struct cn_conn *conn, char id[CN_ID_SIZE])
{
	put_id_of(conn->cookie, conn->label ? conn->label->serial : 0, id);
}

/* --- how many --- */

static struct {
	_Atomic uint32_t process; /* cn_process() whose connections these are */
	_Atomic uint64_t verdicts[CN_VERDICT_COUNT], faults[CN_FAULT_COUNT];
	_Atomic uint64_t told; /* how many there were at the last summary */
	_Atomic int64_t due;   /* microseconds */
} counts;

static void count(const struct cn_judgement *judgement)
{
	uint32_t process = cn_process(), before = atomic_exchange(&counts.process, process);

	if (before != process)
		atomic_store(&counts.due, cn_now_us() + (int64_t)cn_config.summary_s * 1000000);
	if (before && before != process) { /* a fork child counts its own */
		for (int i = 0; i < CN_VERDICT_COUNT; i++)
			atomic_store(&counts.verdicts[i], 0);
		for (int i = 0; i < CN_FAULT_COUNT; i++)
			atomic_store(&counts.faults[i], 0);
		atomic_store(&counts.told, 0);
	}
	atomic_fetch_add(&counts.verdicts[judgement->verdict], 1);
	atomic_fetch_add(&counts.faults[judgement->fault], 1);
}

static void add_counts(struct cn_record *r, const char *key, const _Atomic uint64_t *numbers, int length,
		       const char *word(int number))
{
	cn_record_add(r, (struct cn_field){CN_FIELD_OBJECT, key, {0}});
	for (int i = 0; i < length; i++) {
		uint64_t number = atomic_load(&numbers[i]);

		if (number)
			add_count(r, word(i), (int64_t)number);
	}
	cn_record_add(r, (struct cn_field){CN_FIELD_END, NULL, {0}});
}

static const char *verdict_word(int number)
{
	return cn_verdict_word((enum cn_verdict)number);
}

static const char *fault_word(int number)
{
	return cn_fault_word((enum cn_fault)number);
}

void cn_event_summary(void)
{
	struct cn_field fields[FIELDS_OF_SUMMARY];
	struct cn_record r;
	uint64_t all = 0;

	for (int i = 0; i < CN_VERDICT_COUNT; i++)
		all += atomic_load(&counts.verdicts[i]);
	if (!cn_config.summary || cn_config.log == CN_LOG_NONE ||
	    atomic_load(&counts.process) != cn_process() || atomic_exchange(&counts.told, all) == all)
		return;
	begin(&r, "summary", fields, FIELDS_OF_SUMMARY);
	r.phrases[0] = "so far";
	add_count(&r, "connections", (int64_t)all);
	add_counts(&r, "verdicts", counts.verdicts, CN_VERDICT_COUNT, verdict_word);
	add_counts(&r, "faults", counts.faults, CN_FAULT_COUNT, fault_word);
	add_count(&r, "lost", (int64_t)cn_sink_lost());
	cn_sink_write(&r);
}

/* In a program that runs for long. The shim has no timer, so the next end of a connection after the time writes the summary. */
static void summary_if_due(void)
{
	int64_t now, due;

	if (!cn_config.summary_s)
		return;
	now = cn_now_us();
	due = atomic_load(&counts.due);
	if (now >= due &&
	    atomic_compare_exchange_strong(&counts.due, &due, now + (int64_t)cn_config.summary_s * 1000000))
		cn_event_summary();
}

/* --- a connection's end --- */

/* How far the program itself got with its goodbye. */
static const char *deed(const struct cn_conn *conn)
{
	if (cn_conn_has(conn, CN_SAID) || conn->said_too_late)
		return "close_notify";
	if (cn_conn_has(conn, CN_ALERT_PENDING))
		return "partial_close_notify";
	if (cn_conn_has(conn, CN_WRITE_PENDING))
		return "unfinished_write";
	if (cn_conn_has(conn, CN_CALLED_SHUTDOWN))
		return "failed_shutdown";
	return "nothing";
}

/* NULL: no bytes were at risk. */
static const char *delivery_word(enum cn_delivery delivery)
{
	static const char *const words[] = {
		[CN_DELIVERY_NOTHING] = NULL,
		[CN_DELIVERY_KERNEL] = "kernel",
		[CN_DELIVERY_BACKGROUND] = "background",
		[CN_DELIVERY_UNGUARDED] = "unguarded",
	};

	return words[delivery];
}

static const char *action(const struct cn_conn *conn, const struct cn_end *end)
{
	bool alert =
		cn_conn_has(conn, CN_SAID_BY_SHIM) || (cn_config.mode == CN_MODE_OBSERVE && end->plan.alert);
	bool half_close = cn_config.mode == CN_MODE_OBSERVE ? end->plan.half_close : end->done.half_closed;

	if (alert)
		return half_close || end->done.delivery == CN_DELIVERY_BACKGROUND ? "close_notify+half_close"
										  : "close_notify";
	if (end->plan.alert)
		return "close_notify_failed";
	return half_close ? "half_close" : "none";
}

/* Input waits in the session, or in a BIO of the program's own: then the session has consumed less than the socket received. Bytes before
 * TLS (STARTTLS) count as waiting too. */
static bool has_unread(const struct cn_conn *conn, const struct cn_socket *socket)
{
	uint64_t consumed = conn->label ? conn->label->consumed : 0;

	return cn_conn_has(conn, CN_UNREAD) || (consumed && consumed + socket->peer_shut != socket->received);
}

static struct cn_judgement judge(const struct cn_conn *conn, const struct cn_end *end)
{
	bool fix = cn_config.mode == CN_MODE_FIX;

	return cn_judge(&(struct cn_evidence){
		.facts = end->facts,
		.cause = end->cause,
		.reason = end->plan.reason,
		.goodbye = (fix && cn_conn_has(conn, CN_SAID_BY_SHIM)) || conn->said_too_late,
		.unseen = conn->said_unseen,
		.drained = fix && (end->done.drained || end->done.delivery == CN_DELIVERY_BACKGROUND),
		.tcp = end->socket.tcp,
		.fin_sent = end->socket.write_shut || cn_conn_has(conn, CN_FIN_SENT),
		.peer_fin = end->socket.peer_shut,
		.reset = end->socket.reset,
		.in_doubt = cn_conn_has(conn, CN_RESET_IN_DOUBT),
		.unread = end->socket.unread > 0,
		.unread_tls = has_unread(conn, &end->socket),
		.unacknowledged = end->socket.unsent > 0,
		.unsaid = end->socket.unsaid,
		.peer_closed = cn_conn_has(conn, CN_PEER_CLOSED),
		.truncated = cn_conn_has(conn, CN_TRUNCATED),
		.mid_record = cn_conn_has(conn, CN_MID_RECORD),
		.peer_reset = cn_conn_has(conn, CN_PEER_RESET),
		.untold = cn_conn_has(conn, CN_PEER_UNTOLD),
	});
}

static const char *role(const struct cn_conn *conn)
{
	return cn_conn_has(conn, CN_SERVER) ? "server" : cn_conn_has(conn, CN_CLIENT) ? "client" : "unknown";
}

/* A session that is freed without a goodbye can't be resumed: libssl drops it. */
static int resumable(const struct cn_conn *conn, const struct cn_end *end, const struct cn_judgement *j)
{
	if (!conn->label || !conn->label->resumable_known)
		return -1;
	return conn->label->resumable && (j->our_end == CN_WIRE_CLOSE_NOTIFY || end->facts.quiet);
}

static int64_t since(int64_t then, int64_t now)
{
	return then ? now - then : -1;
}

/* The first backtrace() loads libgcc_s and calls malloc, so it is made here. */
void cn_event_start(void)
{
	void *frame;

	if (cn_config.backtrace && cn_config.log != CN_LOG_NONE)
		backtrace(&frame, 1);
}

static __attribute__((noinline)) void add_backtrace(struct cn_record *r, const void *from)
{
	void *frames[FRAMES_MOST];
	int depth, first = 0;

	if (!cn_config.backtrace || !from || cn_in_handler())
		return;
	depth = backtrace(frames, FRAMES_MOST);
	while (first < depth && frames[first] != from)
		first++;
	if (first == depth)
		return;
	cn_record_add(r, (struct cn_field){CN_FIELD_LIST, "backtrace", {0}});
	for (; first < depth && r->count < r->most - 1; first++)
		cn_record_add(r, (struct cn_field){CN_FIELD_CODE, NULL, {.code = frames[first]}});
	cn_record_add(r, (struct cn_field){CN_FIELD_END, NULL, {0}});
}

static void tell(const struct cn_conn *conn, const struct cn_end *end, const struct cn_judgement *j)
{
	const struct cn_label *label = conn->label;
	const struct cn_socket *socket = &end->socket;
	struct cn_field fields[FIELDS_OF_END];
	struct cn_record r;
	const void *by = end->cause == CN_CAUSE_EXIT || end->cause == CN_CAUSE_REUSE ? NULL : caller();
	int64_t now = cn_now_us();
	char id[CN_ID_SIZE];

	begin(&r, "end", fields, FIELDS_OF_END);
	put_id(conn, id);
	r.bad = cn_verdict_is_bad(j->verdict);
	r.phrases[0] = cn_verdict_phrase(j->verdict);
	r.phrases[1] = cn_fault_phrase(j->fault);
	r.phrases[2] = cn_peer_phrase(j->peer_end);
	add_word(&r, "id", id);
	add_word(&r, "role", role(conn));
	add_word(&r, "tls", label ? label->version : NULL);
	add_word(&r, "local", label && label->local[0] ? label->local : NULL);
	add_word(&r, "peer", label && label->peer[0] ? label->peer : NULL);
	add_outside(&r, "sni", label ? label->sni : NULL);
	add_word(&r, "verdict", cn_verdict_word(j->verdict));
	add_word(&r, "fault", cn_fault_word(j->fault));
	add_word(&r, "our_end", cn_wire_end_word(j->our_end));
	add_word(&r, "peer_end", cn_wire_end_word(j->peer_end));
	add_word(&r, "cause", cn_event_cause_word(conn, end->cause));
	add_code(&r, "caller", by);
	add_word(&r, "did", deed(conn));
	add_word(&r, "mode", cn_config.mode == CN_MODE_OBSERVE ? "observe" : "fix");
	add_word(&r, "action", action(conn, end));
	add_word(&r, "delivery", delivery_word(end->done.delivery));
	add_word(&r, "reason", cn_reason_word(end->plan.reason));
	add_count(&r, "sent", socket->tcp ? (int64_t)socket->acked + socket->unsent : -1);
	add_count(&r, "received", socket->tcp ? (int64_t)socket->received : -1);
	add_count(&r, "unread", socket->open ? socket->unread : -1);
	add_count(&r, "unacknowledged", socket->open ? socket->unsent : -1);
	add_count(&r, "held", end->held);
	add_count(&r, "age_us", label ? since(label->established, now) : -1);
	add_count(&r, "ending_us", !label ? -1 : label->first_sign ? now - label->first_sign : 0);
	add_flag(&r, "resumable", resumable(conn, end, j));
	add_backtrace(&r, by);
	cn_sink_write(&r);
}

const char *cn_event_cause_word(const struct cn_conn *conn, enum cn_cause cause)
{
	return cause == CN_CAUSE_FREE    ? conn->tls->ops->frees
	       : cause == CN_CAUSE_CLEAR ? conn->tls->ops->clears
					 : cn_cause_word(cause);
}

void cn_event_end(struct cn_conn *conn, const struct cn_end *end)
{
	struct cn_judgement judgement;

	if (cn_conn_has(conn, CN_RECORDED) || !conn->tls)
		return;
	cn_conn_note(conn, CN_RECORDED);
	judgement = judge(conn, end);
	CN_PROBE_OUTCOME(conn->cookie, cn_verdict_word(judgement.verdict), cn_fault_word(judgement.fault),
			 cn_reason_word(end->plan.reason));
	if (cn_config.log == CN_LOG_NONE)
		return;
	count(&judgement);
	tell(conn, end, &judgement);
	summary_if_due();
}

void cn_event_after(uint64_t cookie, enum cn_after after, int unacknowledged, int64_t ms)
{
	static const char words[CN_AFTER_COUNT][24] = {
		[CN_AFTER_ACKNOWLEDGED] = "acknowledged",
		[CN_AFTER_PEER_END] = "peer_end",
		[CN_AFTER_RESET] = "reset",
		[CN_AFTER_IDLE] = "idle",
		[CN_AFTER_TIMEOUT] = "timeout",
		[CN_AFTER_EXIT] = "exit",
		[CN_AFTER_EVICTED] = "evicted",
	};
	struct cn_field fields[FIELDS_MOST];
	struct cn_record r;
	char id[CN_ID_SIZE];

	if (cn_config.log == CN_LOG_NONE || (unacknowledged == 0 && cn_config.level == CN_LEVEL_ENDS))
		return;
	begin(&r, "after", fields, FIELDS_MOST);
	r.phrases[0] = "kept open after the program's close";
	r.bad = unacknowledged > 0;
	put_id_of(cookie, 0, id);
	add_word(&r, "id", id);
	add_word(&r, "ended_by", words[after]);
	add_count(&r, "unacknowledged", unacknowledged);
	add_count(&r, "after_us", ms * 1000);
	cn_sink_write(&r);
}

void cn_event_label(struct cn_conn *conn, int fd)
{
	if (conn->label && fd >= 0) {
		cn_socket_peer(fd, conn->label->peer, sizeof(conn->label->peer));
		cn_socket_local(fd, conn->label->local, sizeof(conn->label->local));
	}
}

void cn_event_remember(struct cn_conn *conn, const struct cn_tls_state *state)
{
	struct cn_label *label = conn->label;

	if (!label)
		return;
	label->consumed = state->consumed;
	if (state->established) { /* before, the version is the highest that is offered */
		label->version = state->version;
		label->resumable = state->resumable;
		/* a server can't tell: the client has the tickets */
		label->resumable_known = state->resumable_told && !state->server;
	}
	if (state->sni && !label->sni[0])
		strncpy(label->sni, state->sni, sizeof(label->sni) - 1);
}

void cn_event_established(struct cn_conn *conn, const struct cn_tls_state *state)
{
	cn_event_remember(conn, state);
	if (conn->label && !conn->label->established)
		conn->label->established = cn_now_us();
}

void cn_event_sign(struct cn_conn *conn)
{
	if (conn->label && !conn->label->first_sign)
		conn->label->first_sign = cn_now_us();
}

void cn_event_unusable(struct cn_tls *tls)
{
	struct cn_field field;
	struct cn_record r;

	if (cn_config.log == CN_LOG_NONE || atomic_exchange(&tls->told, true))
		return;
	begin(&r, "warning", &field, 1);
	r.bad = true;
	r.phrases[0] = "warning:";
	add_outside(&r, "message", "this TLS library lacks functions that are needed; it is left alone");
	cn_sink_write(&r);
}

/* --- calls --- */

void cn_call_noted(struct cn_call *call, const char *name, struct cn_conn *conn, int fd)
{
	/* Not for a vfork child, which runs in our memory; nor under a seccomp filter, where even getpid() may kill. */
	if (!conn || !conn->tls || cn_confined || conn->process != cn_process() || !cn_process_is_real())
		return;
	cn_event_sign(conn);
	if (cn_config.level != CN_LEVEL_CALLS)
		return;
	call->name = name;
	call->fd = fd;
	call->began = cn_now_us();
	put_id(conn, call->id);
}

static void tell_call(const char *id, const char *name, int fd, int64_t took, const void *from, int64_t ret,
		      int failure, const char *error)
{
	const char *word = failure ? cn_error_name(failure) : NULL;
	struct cn_field fields[FIELDS_MOST];
	struct cn_record r;

	begin(&r, "call", fields, FIELDS_MOST);
	r.phrases[0] = name;
	add_word(&r, "id", id);
	add_count(&r, "tid", syscall(SYS_gettid));
	add_word(&r, "call", name);
	add_count(&r, "fd", fd);
	cn_record_add(&r, (struct cn_field){CN_FIELD_NUMBER, "ret", {.count = ret}});
	add_word(&r, "error", error);
	add_word(&r, "errno", word);
	add_count(&r, "took_us", took);
	add_code(&r, "caller", from);
	cn_sink_write(&r);
}

void cn_call_tell(const struct cn_call *call, int64_t ret, bool failed, const char *error)
{
	struct cn_guard guard;

	if (cn_inside || cn_confined)
		return;
	guard = cn_guard_enter();
	tell_call(call->id, call->name, call->fd, cn_now_us() - call->began, caller(), ret,
		  failed ? guard.error : 0, error);
	cn_guard_leave(guard);
}

void cn_event_moved(struct cn_conn *conn, const char *name, int ret, const char *error, int failure)
{
	char id[CN_ID_SIZE];

	if (cn_config.level != CN_LEVEL_CALLS || cn_config.log == CN_LOG_NONE)
		return;
	put_id(conn, id);
	tell_call(id, name, conn->fd, -1, NULL, ret, failure, error);
}
