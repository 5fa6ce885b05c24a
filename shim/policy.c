/* SPDX-License-Identifier: MIT
 * plan = decide(facts, rules, cause). Invariant: pure; first match wins, in the order of the design document.
 */
#include "policy.h"

/* The call takes the program's last descriptor away, so FIN and drain follow. SSL_free and SSL_clear leave
 * the descriptor (FTP's CCC speaks plain text on it); shutdown sends the FIN itself and may leave a reader
 * behind. */
static bool ends_descriptor(enum cn_cause cause)
{
	switch (cause) {
	case CN_CAUSE_CLOSE:
	case CN_CAUSE_DUP2:
	case CN_CAUSE_CLOSE_RANGE:
	case CN_CAUSE_FCLOSE:
	case CN_CAUSE_EXIT:
		return true;
	default:
		return false;
	}
}

static struct cn_plan leave_alone(enum cn_reason reason)
{
	return (struct cn_plan){.reason = reason};
}

/* Input may still be read by the program, so it stays. After SHUT_RDWR nothing more can be read, and what comes would
 * reset. */
static struct cn_plan leave_to_reader(const struct cn_facts *f, enum cn_cause cause, enum cn_reason reason)
{
	return (struct cn_plan){
		.refuse_input = cause == CN_CAUSE_SHUTDOWN_BOTH && !f->abort_requested,
		.reason = reason,
	};
}

/* No goodbye, but what the program did write shall arrive and the stream end in FIN, not RST. */
static struct cn_plan deliver(const struct cn_facts *f, enum cn_cause cause, enum cn_reason reason)
{
	bool ends = ends_descriptor(cause);

	if (f->thread_inside || f->abort_requested)
		return leave_to_reader(f, cause, reason);
	/* What stdio has yet to flush when TLS is over is plain text. */
	return (struct cn_plan){
		.half_close = ends && !(cause == CN_CAUSE_EXIT && f->session_gone && f->stream),
		.drain = ends,
		.refuse_input = cause == CN_CAUSE_SHUTDOWN_BOTH,
		.reason = reason,
	};
}

static struct cn_plan say_goodbye(const struct cn_facts *f, enum cn_cause cause, enum cn_reason reason)
{
	struct cn_plan plan = deliver(f, cause, reason);

	plan.alert = true;
	return plan;
}

struct cn_plan cn_decide(const struct cn_facts *f, const struct cn_rules *rules, enum cn_cause cause)
{
	/* 1, 2: somebody else speaks on it. A child's SSL_shutdown killed the parent's connection in mysql2
	 * #1467. */
	if (!f->owner)
		return leave_alone(CN_NOT_OWNER);
	if (f->shared)
		return leave_alone(CN_SHARED);

	/* 3: the number belongs to somebody else by now; sofia-sip #131 wrote its alert into another
	 * connection. */
	if (f->stale)
		return leave_alone(CN_STALE_FD);

	/* Rows 4 to 6, 9 and 10 are about sending an alert. One that was sent is a fact; what is left is to
	 * deliver. */
	if (!f->said && !f->said_by_shim) {
		/* 4: RFC 8446 6.1 knows close_notify only on an established connection; early data has no end
		 * of its own. */
		if (f->unsupported)
			return leave_alone(CN_UNSUPPORTED);
		if (!f->established)
			return leave_alone(CN_NOT_ESTABLISHED);

		/* 5: RFC 8446 6.2: after a fatal alert nothing more is sent. CVE-2019-1559: a second shutdown
		 * after a fatal error was a padding oracle. */
		if (f->fatal)
			return leave_alone(CN_FATAL_SEEN);
		if (f->peer_truncated)
			return leave_alone(CN_PEER_TRUNCATED);

		/* 6: close_notify says "you have everything" (RFC 8446 6.1); here the peer has not. */
		if ((f->write_pending && !f->one_record) || f->held)
			return deliver(f, cause, CN_TRUNCATED_BY_US);
		/* Nothing can follow the program's FIN. After a quiet shutdown it is what the program meant (9). */
		if (f->fin_sent)
			return deliver(f, cause,
				       f->quiet && !rules->quiet_override ? CN_QUIET : CN_TRUNCATED_BY_US);
	}

	/* 7: the goodbye is left to the last thread inside. */
	if (f->thread_inside)
		return leave_to_reader(f, cause, CN_DEFERRED);

	/* 8: the program wants the reset: s_time, Twisted's abortConnection. */
	if (f->abort_requested)
		return leave_alone(CN_ABORT_REQUESTED);

	/* 11: after both close_notifys plain text follows (RFC 4217's CCC): not ours to read or end. */
	if (f->said && f->over)
		return leave_alone(CN_CLEAN);
	if (f->said)
		return deliver(f, cause, CN_CLEAN);
	if (f->said_by_shim)
		return deliver(f, cause, f->write_pending || f->alert_pending ? CN_COMPLETED : CN_REPAIRED);

	/* 9: nginx on errors, mariadb, Apache's ssl-unclean-shutdown mean it. SSL_set_shutdown(SENT) alone doesn't: it
	 * keeps a session resumable (CPython). */
	if (f->quiet && !rules->quiet_override)
		return leave_alone(CN_QUIET);

	/* 10: after a failure nobody knows whether the data is complete. */
	if (cause == CN_CAUSE_EXIT && f->unclean && !rules->exit_always)
		return leave_alone(CN_UNCLEAN_EXIT);

	/* The session was freed without a goodbye, and without a session none can be made. */
	if (f->session_gone)
		return deliver(f, cause, CN_TRUNCATED_BY_US);

	if (f->write_pending) { /* 6, the exception: one record, of which a part is out, is finished first */
		struct cn_plan plan = say_goodbye(f, cause, CN_COMPLETED);

		plan.finish_write = true;
		return plan;
	}
	if (f->alert_pending)
		return say_goodbye(f, cause, CN_COMPLETED); /* 12 */

	/* 13, 14: whether the peer's close_notify came first (then this is the reply of RFC 8446 6.1) or not.
	 */
	return say_goodbye(f, cause, CN_REPAIRED);
}

const char *cn_reason_word(enum cn_reason reason)
{
	static const char words[CN_REASON_COUNT][24] = {
		[CN_NOT_OWNER] = "not_owner",
		[CN_SHARED] = "shared",
		[CN_STALE_FD] = "stale_fd",
		[CN_NOT_ESTABLISHED] = "not_established",
		[CN_UNSUPPORTED] = "unsupported",
		[CN_FATAL_SEEN] = "fatal_seen",
		[CN_PEER_TRUNCATED] = "peer_truncated",
		[CN_TRUNCATED_BY_US] = "truncated_by_us",
		[CN_DEFERRED] = "deferred",
		[CN_ABORT_REQUESTED] = "abort_requested",
		[CN_QUIET] = "quiet",
		[CN_UNCLEAN_EXIT] = "unclean_exit",
		[CN_CLEAN] = "clean",
		[CN_COMPLETED] = "completed",
		[CN_REPAIRED] = "repaired",
	};

	return words[reason];
}

const char *cn_cause_word(enum cn_cause cause)
{
	static const char words[CN_CAUSE_COUNT][24] = {
		[CN_CAUSE_FREE] = "free",
		[CN_CAUSE_CLEAR] = "clear",
		[CN_CAUSE_SHUTDOWN] = "shutdown",
		[CN_CAUSE_SHUTDOWN_BOTH] = "shutdown",
		[CN_CAUSE_CLOSE] = "close",
		[CN_CAUSE_DUP2] = "dup2",
		[CN_CAUSE_CLOSE_RANGE] = "close_range",
		[CN_CAUSE_FCLOSE] = "fclose",
		[CN_CAUSE_EXIT] = "exit",
		[CN_CAUSE_REUSE] = "reuse",
	};

	return words[cause];
}
