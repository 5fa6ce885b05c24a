/* SPDX-License-Identifier: MIT
 * The verdict: how a connection ended in both directions, and by whose fault. Invariant: pure. */
#include "verdict.h"

static bool is_held_elsewhere(enum cn_reason reason)
{
	return reason == CN_NOT_OWNER || reason == CN_SHARED;
}

/* close() with unread input sends RST in the place of FIN (RFC 1122 4.2.2.13). */
static bool resets(const struct cn_evidence *e)
{
	return e->tcp && !e->reset && (e->facts.abort_requested || (e->unread && !e->drained));
}

static enum cn_wire_end our_end(const struct cn_evidence *e)
{
	bool said = e->facts.said || e->goodbye;

	if (is_held_elsewhere(e->reason) || e->reason == CN_STALE_FD)
		return CN_WIRE_OPEN;
	/* RST throws away what was not sent yet. After FIN, what was sent at least once may have arrived, and FIN with it. */
	if (resets(e) && (e->fin_sent ? e->unsaid : e->unacknowledged || e->facts.abort_requested))
		return CN_WIRE_RESET;
	/* The peer's TCP has acknowledged everything, so a later reset takes nothing away. */
	if (said)
		return e->unseen && !e->goodbye ? CN_WIRE_UNKNOWN : CN_WIRE_CLOSE_NOTIFY;
	return !e->fin_sent && (resets(e) || e->reset) ? CN_WIRE_RESET : CN_WIRE_FIN;
}

static enum cn_wire_end peer_end(const struct cn_evidence *e)
{
	if (e->peer_closed)
		return CN_WIRE_CLOSE_NOTIFY;
	if (e->untold || (e->reset && e->in_doubt && !e->peer_reset)) /* a reset may follow close_notify */
		return CN_WIRE_UNKNOWN;
	if (e->reset || e->peer_reset)
		return CN_WIRE_RESET;
	if (e->mid_record)
		return CN_WIRE_MID_RECORD;
	if (e->truncated)
		return CN_WIRE_FIN;
	/* After its own goodbye a program may read the rest from the socket itself, as s_client does, and drop a close_notify. */
	if (e->peer_fin)
		return e->unread || e->unread_tls || e->facts.said || e->fin_sent ? CN_WIRE_UNREAD
										  : CN_WIRE_FIN;
	return CN_WIRE_OPEN;
}

/* What the program did wrong, whether the library repaired it or not. */
static enum cn_fault fault(const struct cn_evidence *e)
{
	switch (e->reason) {
	case CN_NOT_OWNER:
	case CN_SHARED:
	case CN_STALE_FD:
	case CN_UNSUPPORTED:
	case CN_NOT_ESTABLISHED:
	case CN_FATAL_SEEN:
	case CN_PEER_TRUNCATED:
		return CN_FAULT_NONE;
	default:
		break;
	}
	if (e->facts.abort_requested && !e->fin_sent)
		return CN_FAULT_ABORT;
	if (e->facts.said)
		return e->tcp && e->unread && e->unacknowledged && !e->reset ? CN_FAULT_RESET_BY_UNREAD_INPUT
									     : CN_FAULT_NONE;
	if (e->facts.write_pending || e->facts.alert_pending || (e->facts.held && !e->fin_sent))
		return CN_FAULT_WRITE_ABANDONED;
	if (e->facts.quiet)
		return CN_FAULT_QUIET;
	if (e->cause == CN_CAUSE_EXIT)
		return CN_FAULT_KILLED_BY_EXIT;
	return e->tcp && e->unread && !e->fin_sent ? CN_FAULT_RESET_BY_UNREAD_INPUT
						   : CN_FAULT_CLOSE_WITHOUT_SHUTDOWN;
}

static enum cn_verdict verdict(const struct cn_evidence *e, const struct cn_judgement *j)
{
	/* A reset with unread input: the peer's close_notify may be in that input. */
	bool unknown = j->peer_end == CN_WIRE_UNKNOWN ||
		       (j->peer_end == CN_WIRE_RESET && (e->unread || e->unread_tls));
	bool peer_truncated = j->peer_end == CN_WIRE_FIN || j->peer_end == CN_WIRE_MID_RECORD ||
			      j->peer_end == CN_WIRE_RESET;

	switch (e->reason) {
	case CN_NOT_OWNER:
	case CN_SHARED:
		return CN_VERDICT_HELD_ELSEWHERE;
	case CN_STALE_FD:
	case CN_UNSUPPORTED:
		return CN_VERDICT_NOT_COVERED;
	case CN_NOT_ESTABLISHED:
		return CN_VERDICT_NOT_ESTABLISHED;
	case CN_FATAL_SEEN:
		return CN_VERDICT_FAILED;
	case CN_PEER_TRUNCATED: /* after that the program owes the peer nothing */
		return unknown          ? CN_VERDICT_UNKNOWN
		       : peer_truncated ? CN_VERDICT_TRUNCATED_BY_PEER
					: CN_VERDICT_ENDED; /* by a reset after its close_notify */
	default:
		break;
	}
	if (unknown)
		return CN_VERDICT_UNKNOWN;
	if (j->our_end == CN_WIRE_UNKNOWN)
		return peer_truncated ? CN_VERDICT_TRUNCATED_BY_PEER : CN_VERDICT_NOT_COVERED;
	if (j->our_end != CN_WIRE_CLOSE_NOTIFY)
		return peer_truncated ? CN_VERDICT_TRUNCATED_BY_BOTH : CN_VERDICT_TRUNCATED_BY_US;
	if (peer_truncated)
		return CN_VERDICT_TRUNCATED_BY_PEER;
	return j->fault == CN_FAULT_NONE ? CN_VERDICT_ENDED : CN_VERDICT_REPAIRED;
}

struct cn_judgement cn_judge(const struct cn_evidence *e)
{
	struct cn_judgement j = {.our_end = our_end(e), .peer_end = peer_end(e), .fault = fault(e)};

	j.verdict = verdict(e, &j);
	return j;
}

bool cn_verdict_is_bad(enum cn_verdict verdict)
{
	return verdict >= CN_VERDICT_TRUNCATED_BY_US && verdict <= CN_VERDICT_FAILED;
}

/* --- words: the characters, not pointers, which the loader would have to relocate in every program --- */

const char *cn_verdict_word(enum cn_verdict v)
{
	static const char words[CN_VERDICT_COUNT][24] = {
		[CN_VERDICT_ENDED] = "ended",
		[CN_VERDICT_REPAIRED] = "repaired",
		[CN_VERDICT_TRUNCATED_BY_US] = "truncated_by_us",
		[CN_VERDICT_TRUNCATED_BY_PEER] = "truncated_by_peer",
		[CN_VERDICT_TRUNCATED_BY_BOTH] = "truncated_by_both",
		[CN_VERDICT_FAILED] = "failed",
		[CN_VERDICT_UNKNOWN] = "unknown",
		[CN_VERDICT_NOT_ESTABLISHED] = "not_established",
		[CN_VERDICT_HELD_ELSEWHERE] = "held_elsewhere",
		[CN_VERDICT_NOT_COVERED] = "not_covered",
	};

	return words[v];
}

const char *cn_fault_word(enum cn_fault f)
{
	static const char words[CN_FAULT_COUNT][24] = {
		[CN_FAULT_NONE] = "none",
		[CN_FAULT_CLOSE_WITHOUT_SHUTDOWN] = "close_without_shutdown",
		[CN_FAULT_RESET_BY_UNREAD_INPUT] = "reset_by_unread_input",
		[CN_FAULT_WRITE_ABANDONED] = "write_abandoned",
		[CN_FAULT_KILLED_BY_EXIT] = "killed_by_exit",
		[CN_FAULT_QUIET] = "quiet",
		[CN_FAULT_ABORT] = "abort",
	};

	return words[f];
}

const char *cn_wire_end_word(enum cn_wire_end end)
{
	static const char words[CN_WIRE_COUNT][24] = {
		[CN_WIRE_OPEN] = "open",       [CN_WIRE_CLOSE_NOTIFY] = "close_notify",
		[CN_WIRE_FIN] = "fin",         [CN_WIRE_MID_RECORD] = "mid_record",
		[CN_WIRE_RESET] = "reset",     [CN_WIRE_UNREAD] = "unread",
		[CN_WIRE_UNKNOWN] = "unknown",
	};

	return words[end];
}

const char *cn_verdict_phrase(enum cn_verdict v)
{
	static const char phrases[CN_VERDICT_COUNT][48] = {
		[CN_VERDICT_ENDED] = "ended properly",
		[CN_VERDICT_REPAIRED] = "repaired",
		[CN_VERDICT_TRUNCATED_BY_US] = "truncated by us",
		[CN_VERDICT_TRUNCATED_BY_PEER] = "truncated by the peer",
		[CN_VERDICT_TRUNCATED_BY_BOTH] = "truncated by both",
		[CN_VERDICT_FAILED] = "ended by an error",
		[CN_VERDICT_UNKNOWN] = "not known who truncated",
		[CN_VERDICT_NOT_ESTABLISHED] = "ended before its handshake",
		[CN_VERDICT_HELD_ELSEWHERE] = "left to another process or descriptor",
		[CN_VERDICT_NOT_COVERED] = "not covered",
	};

	return phrases[v];
}

const char *cn_fault_phrase(enum cn_fault f)
{
	static const char phrases[CN_FAULT_COUNT][48] = {
		[CN_FAULT_NONE] = "",
		[CN_FAULT_CLOSE_WITHOUT_SHUTDOWN] = ": closed without close_notify",
		[CN_FAULT_RESET_BY_UNREAD_INPUT] = ": closed with unread input, which resets",
		[CN_FAULT_WRITE_ABANDONED] = ": a write was abandoned",
		[CN_FAULT_KILLED_BY_EXIT] = ": exited without close_notify",
		[CN_FAULT_QUIET] = ": quiet on purpose",
		[CN_FAULT_ABORT] = ": reset on purpose",
	};

	return phrases[f];
}

const char *cn_peer_phrase(enum cn_wire_end end)
{
	static const char phrases[CN_WIRE_COUNT][48] = {
		[CN_WIRE_OPEN] = "",
		[CN_WIRE_CLOSE_NOTIFY] = "",
		[CN_WIRE_FIN] = "; the peer: FIN without close_notify",
		[CN_WIRE_MID_RECORD] = "; the peer: FIN in the middle of a record",
		[CN_WIRE_RESET] = "; the peer: reset",
		[CN_WIRE_UNREAD] = "",
		[CN_WIRE_UNKNOWN] = "; the peer: an end of a kind that can't be told",
	};

	return phrases[end];
}
