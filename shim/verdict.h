/* SPDX-License-Identifier: MIT
 * How a connection ended, in both directions, for the record. Invariant: pure; no I/O, no globals, and no influence on
 * what is done. */
#ifndef CN_VERDICT_H
#define CN_VERDICT_H

#include "policy.h"

enum cn_verdict {
	CN_VERDICT_ENDED,
	CN_VERDICT_REPAIRED,
	CN_VERDICT_TRUNCATED_BY_US,
	CN_VERDICT_TRUNCATED_BY_PEER,
	CN_VERDICT_TRUNCATED_BY_BOTH,
	CN_VERDICT_FAILED,
	CN_VERDICT_UNKNOWN, /* the facts accuse neither side, nor do they clear both */
	CN_VERDICT_NOT_ESTABLISHED,
	CN_VERDICT_HELD_ELSEWHERE,
	CN_VERDICT_NOT_COVERED,
	CN_VERDICT_COUNT
};

/* What the program did wrong by itself. */
enum cn_fault {
	CN_FAULT_NONE,
	CN_FAULT_CLOSE_WITHOUT_SHUTDOWN,
	CN_FAULT_RESET_BY_UNREAD_INPUT,
	CN_FAULT_WRITE_ABANDONED,
	CN_FAULT_KILLED_BY_EXIT,
	CN_FAULT_QUIET,
	CN_FAULT_ABORT,
	CN_FAULT_COUNT
};

/* The end of one direction on the wire. Ours is never MID_RECORD, UNREAD or UNKNOWN. */
enum cn_wire_end {
	CN_WIRE_OPEN,
	CN_WIRE_CLOSE_NOTIFY,
	CN_WIRE_FIN,
	CN_WIRE_MID_RECORD, /* FIN in the middle of a record */
	CN_WIRE_RESET,
	CN_WIRE_UNREAD, /* FIN is here, but the session has not read up to it */
	CN_WIRE_UNKNOWN, /* an end that may have come with close_notify or without, or a reset that may be our own */
	CN_WIRE_COUNT
};

struct cn_evidence {
	struct cn_facts facts; /* as they were decided upon */
	enum cn_cause cause;
	enum cn_reason reason;
	bool goodbye; /* ours, sent by the library or in its hands to be sent */
	bool drained; /* by the library: unread input resets nothing */
	bool tcp;
	bool fin_sent;   /* before this end */
	bool peer_fin;   /* has come */
	bool reset;      /* the socket is */
	bool in_doubt;   /* by whom, or whether it is that and not both sides' FIN */
	bool unread;     /* input in the socket */
	bool unread_tls; /* input in the session, or on its way there */
	bool unacknowledged;
	bool unsaid;      /* some of it was never sent yet */
	bool peer_closed; /* its close_notify was read */
	bool truncated;   /* the program met its end without one */
	bool mid_record;  /* in the middle of a record */
	bool peer_reset;  /* as a reset */
	bool untold;      /* the program met its end, and the library does not tell which */
};

struct cn_judgement {
	enum cn_verdict verdict;
	enum cn_fault fault;
	enum cn_wire_end our_end, peer_end;
};

struct cn_judgement cn_judge(const struct cn_evidence *evidence);

/* The words of the JSON log. */
const char *cn_verdict_word(enum cn_verdict verdict);
const char *cn_fault_word(enum cn_fault fault);
const char *cn_wire_end_word(enum cn_wire_end end);

/* Plain words: what is said of the verdict, and after it of a fault or of the peer's end; "" if there is nothing to say. */
const char *cn_verdict_phrase(enum cn_verdict verdict);
const char *cn_fault_phrase(enum cn_fault fault);
const char *cn_peer_phrase(enum cn_wire_end end);

/* True if somebody ought to look at it. */
bool cn_verdict_is_bad(enum cn_verdict verdict);

#endif
