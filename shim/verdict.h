/* SPDX-License-Identifier: MIT
 * How a connection ended in both directions, for the record. Invariant: pure. No I/O, no globals, no influence on what is done. */
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
	CN_VERDICT_UNKNOWN, /* the facts do not show whether somebody truncated, or who */
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

/* The end of one direction on the wire. Ours is never MID_RECORD or UNREAD. */
enum cn_wire_end {
	CN_WIRE_OPEN,
	CN_WIRE_CLOSE_NOTIFY,
	CN_WIRE_FIN,
	CN_WIRE_MID_RECORD, /* FIN in the middle of a record */
	CN_WIRE_RESET,
	CN_WIRE_UNREAD,  /* the peer's FIN has come, but the program has not read up to it */
	CN_WIRE_UNKNOWN, /* close_notify may have come or gone, or not; or a reset that may be our own */
	CN_WIRE_COUNT
};

struct cn_evidence {
	struct cn_facts facts; /* as they were decided upon */
	enum cn_cause cause;
	enum cn_reason reason;
	bool goodbye; /* close_notify by the shim, sent or still to be sent by it; or the program's, too late to count for facts.said */
	bool unseen;  /* facts.said, into what is not followed */
	bool drained; /* the shim has drained, or the background will: unread input resets nothing */
	bool tcp;
	bool fin_sent;   /* ours, before this end */
	bool peer_fin;   /* the peer's FIN has come */
	bool reset;      /* the connection is gone */
	bool in_doubt;   /* not known who reset, or whether both sides' FIN ended it */
	bool unread;     /* input in the socket */
	bool unread_tls; /* input in the session, or in the program's BIO before it */
	bool unacknowledged;
	bool unsaid;      /* some bytes were not sent even once */
	bool peer_closed; /* its close_notify was read */
	bool truncated;   /* the program met the peer's end without close_notify */
	bool mid_record;  /* and that in the middle of a record */
	bool peer_reset;  /* or as a reset */
	bool untold; /* the program met the peer's end, and the TLS library does not tell of which kind */
};

struct cn_judgement {
	enum cn_verdict verdict;
	enum cn_fault fault;
	enum cn_wire_end our_end, peer_end;
};

struct cn_judgement cn_judge(const struct cn_evidence *evidence);

/* The words in the log. */
const char *cn_verdict_word(enum cn_verdict verdict);
const char *cn_fault_word(enum cn_fault fault);
const char *cn_wire_end_word(enum cn_wire_end end);

/* The phrases of the text log: for the verdict, then for the fault, then for the peer's end; "" if there is nothing to say. */
const char *cn_verdict_phrase(enum cn_verdict verdict);
const char *cn_fault_phrase(enum cn_fault fault);
const char *cn_peer_phrase(enum cn_wire_end end);

/* True if an administrator ought to look at it. */
bool cn_verdict_is_bad(enum cn_verdict verdict);

#endif
