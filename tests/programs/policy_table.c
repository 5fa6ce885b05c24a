/* SPDX-License-Identifier: MIT
 * The decision, held against the design document's table "When not to": row by row for every cause, then over all
 * facts, rules and causes against a first-match table written down a second time, then by what must never happen.
 * Prints a line per failing row; exit status 1 if there was one. */
#include "policy.c"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
	OWNER = 1 << 0,
	SHARED = 1 << 1,
	STALE = 1 << 2,
	UNSUPPORTED = 1 << 3,
	ESTABLISHED = 1 << 4,
	FATAL = 1 << 5,
	PEER_TRUNCATED = 1 << 6,
	WRITE_PENDING = 1 << 7,
	HELD = 1 << 8,
	THREAD_INSIDE = 1 << 9,
	ABORT_REQUESTED = 1 << 10,
	IS_QUIET = 1 << 11,
	UNCLEAN = 1 << 12,
	SAID = 1 << 13,
	SAID_BY_SHIM = 1 << 14,
	ALERT_PENDING = 1 << 15,
	ONE_RECORD = 1 << 16,
	SESSION_GONE = 1 << 17,
	OVER = 1 << 18,
	FIN_SENT = 1 << 19,
	STREAM = 1 << 20,
	ALL = (1 << 21) - 1,
	USUAL = OWNER | ESTABLISHED,
};

static const struct {
	unsigned int bit;
	size_t offset;
	const char *name;
} fact_names[] = {
#define FACT(bit, name)                                                                                      \
	{                                                                                                    \
		bit, offsetof(struct cn_facts, name), #name                                                  \
	}
	FACT(OWNER, owner),
	FACT(SHARED, shared),
	FACT(STALE, stale),
	FACT(UNSUPPORTED, unsupported),
	FACT(ESTABLISHED, established),
	FACT(FATAL, fatal),
	FACT(PEER_TRUNCATED, peer_truncated),
	FACT(WRITE_PENDING, write_pending),
	FACT(HELD, held),
	FACT(FIN_SENT, fin_sent),
	FACT(THREAD_INSIDE, thread_inside),
	FACT(ABORT_REQUESTED, abort_requested),
	FACT(IS_QUIET, quiet),
	FACT(UNCLEAN, unclean),
	FACT(SAID, said),
	FACT(SAID_BY_SHIM, said_by_shim),
	FACT(ALERT_PENDING, alert_pending),
	FACT(ONE_RECORD, one_record),
	FACT(SESSION_GONE, session_gone),
	FACT(OVER, over),
	FACT(STREAM, stream),
#undef FACT
};

#define FACTS (sizeof(fact_names) / sizeof(*fact_names))

_Static_assert(sizeof(struct cn_facts) == FACTS * sizeof(bool), "a new fact needs a bit here");
_Static_assert(sizeof(struct cn_rules) == 2 * sizeof(bool), "a new rule needs a place in check_every_case()");
_Static_assert(CN_CAUSE_COUNT == 10, "a new cause needs a place in takes_descriptor()");
_Static_assert(CN_REASON_COUNT == 15, "a new reason needs a row in oracle[]");

static struct cn_facts facts_of(unsigned int bits)
{
	struct cn_facts facts = {0};

	for (size_t i = 0; i < FACTS; i++) {
		bool value = bits & fact_names[i].bit;

		memcpy((char *)&facts + fact_names[i].offset, &value, sizeof(value));
	}
	return facts;
}

static unsigned int failures;

static void put_case(const char *title, unsigned int bits, struct cn_rules rules, enum cn_cause cause)
{
	printf("%s: cause %s, facts", title, cn_cause_word(cause));
	for (size_t i = 0; i < FACTS; i++) {
		if (bits & fact_names[i].bit)
			printf(" %s", fact_names[i].name);
	}
	printf("%s%s", rules.quiet_override ? ", QUIET=override" : "",
	       rules.exit_always ? ", EXIT=always" : "");
}

static void put_plan(const char *title, struct cn_plan plan)
{
	printf("; %s %s%s%s%s%s%s", title, cn_reason_word(plan.reason),
	       plan.finish_write ? "+finish_write" : "", plan.alert ? "+alert" : "",
	       plan.half_close ? "+half_close" : "", plan.drain ? "+drain" : "",
	       plan.refuse_input ? "+refuse_input" : "");
}

static bool same(struct cn_plan a, struct cn_plan b)
{
	return a.alert == b.alert && a.finish_write == b.finish_write && a.half_close == b.half_close &&
	       a.drain == b.drain && a.refuse_input == b.refuse_input && a.reason == b.reason;
}

_Static_assert(sizeof(struct cn_plan) == 5 * sizeof(bool) + sizeof(enum cn_reason) + 3,
	       "a new deed needs a place in same()");

static void expect(const char *title, unsigned int bits, struct cn_rules rules, enum cn_cause cause,
		   struct cn_plan wanted, struct cn_plan plan)
{
	if (same(plan, wanted) || ++failures > 40)
		return;
	put_case(title, bits, rules, cause);
	put_plan("expected", wanted);
	put_plan("decided", plan);
	putchar('\n');
}

/* --- what a row asks for --- */

enum deeds {
	NOTHING, /* the real call only */
	READER,  /* but what comes in after SHUT_RDWR must not reset */
	DELIVER, /* half-close and drain, if the descriptor goes */
	GOODBYE, /* and the alert before */
	FINISH,  /* and before that the rest of a record */
};

static bool takes_descriptor(enum cn_cause cause)
{
	return cause == CN_CAUSE_CLOSE || cause == CN_CAUSE_DUP2 || cause == CN_CAUSE_CLOSE_RANGE ||
	       cause == CN_CAUSE_FCLOSE || cause == CN_CAUSE_EXIT;
}

static struct cn_plan plan_of(enum deeds deeds, enum cn_reason reason, unsigned int bits, enum cn_cause cause)
{
	bool end = deeds > READER && takes_descriptor(cause) && !(bits & (THREAD_INSIDE | ABORT_REQUESTED));

	return (struct cn_plan){
		.alert = deeds >= GOODBYE,
		.finish_write = deeds == FINISH,
		.half_close = end && !(cause == CN_CAUSE_EXIT && (bits & SESSION_GONE) && (bits & STREAM)),
		.drain = end,
		.refuse_input =
			deeds != NOTHING && cause == CN_CAUSE_SHUTDOWN_BOTH && !(bits & ABORT_REQUESTED),
		.reason = reason,
	};
}

/* --- each row alone, for every cause --- */

static const struct {
	const char *row;
	unsigned int bits;
	struct cn_rules rules;
	enum deeds deeds;
	enum cn_reason reason;
	bool only_exit; /* for every other cause it is row 14 */
} rows[] = {
	{"1 forked copy", ESTABLISHED, {0}, NOTHING, CN_NOT_OWNER, false},
	{"2 another holder", USUAL | SHARED, {0}, NOTHING, CN_SHARED, false},
	{"3 no longer that socket", USUAL | STALE, {0}, NOTHING, CN_STALE_FD, false},
	{"4 QUIC, DTLS, kTLS", USUAL | UNSUPPORTED, {0}, NOTHING, CN_UNSUPPORTED, false},
	{"4 no handshake yet", OWNER, {0}, NOTHING, CN_NOT_ESTABLISHED, false},
	{"5 fatal error or alert", USUAL | FATAL, {0}, NOTHING, CN_FATAL_SEEN, false},
	{"5 reset or EOF by the peer", USUAL | PEER_TRUNCATED, {0}, NOTHING, CN_PEER_TRUNCATED, false},
	{"6 unfinished write", USUAL | WRITE_PENDING, {0}, DELIVER, CN_TRUNCATED_BY_US, false},
	{"6 one record, finished first",
	 USUAL | WRITE_PENDING | ONE_RECORD,
	 {0},
	 FINISH,
	 CN_COMPLETED,
	 false},
	{"6 one record, but more is held",
	 USUAL | WRITE_PENDING | ONE_RECORD | HELD,
	 {0},
	 DELIVER,
	 CN_TRUNCATED_BY_US,
	 false},
	{"6 one record, but a thread inside",
	 USUAL | WRITE_PENDING | ONE_RECORD | THREAD_INSIDE,
	 {0},
	 READER,
	 CN_DEFERRED,
	 false},
	{"6 one record, but quiet",
	 USUAL | WRITE_PENDING | ONE_RECORD | IS_QUIET,
	 {0},
	 NOTHING,
	 CN_QUIET,
	 false},
	{"6 one record was finished",
	 USUAL | WRITE_PENDING | ONE_RECORD | SAID_BY_SHIM,
	 {0},
	 DELIVER,
	 CN_COMPLETED,
	 false},
	{"6 ciphertext still held", USUAL | HELD, {0}, DELIVER, CN_TRUNCATED_BY_US, false},
	{"6 even if an alert was begun",
	 USUAL | HELD | ALERT_PENDING,
	 {0},
	 DELIVER,
	 CN_TRUNCATED_BY_US,
	 false},
	{"6 a FIN would break the write of a thread",
	 USUAL | WRITE_PENDING | THREAD_INSIDE,
	 {0},
	 READER,
	 CN_TRUNCATED_BY_US,
	 false},
	{"6 a FIN would come before the RST asked for",
	 USUAL | WRITE_PENDING | ABORT_REQUESTED,
	 {0},
	 NOTHING,
	 CN_TRUNCATED_BY_US,
	 false},
	{"6 FIN was sent before", USUAL | FIN_SENT, {0}, DELIVER, CN_TRUNCATED_BY_US, false},
	{"9 FIN was sent before, quietly", USUAL | FIN_SENT | IS_QUIET, {0}, DELIVER, CN_QUIET, false},
	{"6 FIN was sent before, quiet overridden",
	 USUAL | FIN_SENT | IS_QUIET,
	 {.quiet_override = true},
	 DELIVER,
	 CN_TRUNCATED_BY_US,
	 false},
	{"6 FIN was sent before, quietly, and ciphertext is held",
	 USUAL | FIN_SENT | IS_QUIET | HELD,
	 {0},
	 DELIVER,
	 CN_TRUNCATED_BY_US,
	 false},
	{"7 a thread inside", USUAL | THREAD_INSIDE, {0}, READER, CN_DEFERRED, false},
	{"7 a thread inside, but RST is asked for",
	 USUAL | THREAD_INSIDE | ABORT_REQUESTED,
	 {0},
	 NOTHING,
	 CN_DEFERRED,
	 false},
	{"7 a thread inside after the goodbye",
	 USUAL | THREAD_INSIDE | SAID,
	 {0},
	 READER,
	 CN_DEFERRED,
	 false},
	{"8 SO_LINGER {1, 0}", USUAL | ABORT_REQUESTED, {0}, NOTHING, CN_ABORT_REQUESTED, false},
	{"8 SO_LINGER {1, 0} after the goodbye",
	 USUAL | ABORT_REQUESTED | SAID,
	 {0},
	 NOTHING,
	 CN_ABORT_REQUESTED,
	 false},
	{"9 quiet shutdown", USUAL | IS_QUIET, {0}, NOTHING, CN_QUIET, false},
	{"9 the other rule does not help", USUAL | IS_QUIET, {.exit_always = true}, NOTHING, CN_QUIET, false},
	{"9 quiet shutdown, overridden",
	 USUAL | IS_QUIET,
	 {.quiet_override = true},
	 GOODBYE,
	 CN_REPAIRED,
	 false},
	{"10 status other than 0", USUAL | UNCLEAN, {0}, NOTHING, CN_UNCLEAN_EXIT, true},
	{"10 the other rule does not help",
	 USUAL | UNCLEAN,
	 {.quiet_override = true},
	 NOTHING,
	 CN_UNCLEAN_EXIT,
	 true},
	{"10 status other than 0, always",
	 USUAL | UNCLEAN,
	 {.exit_always = true},
	 GOODBYE,
	 CN_REPAIRED,
	 false},
	{"11 said by the program", USUAL | SAID, {0}, DELIVER, CN_CLEAN, false},
	{"11 said by both", USUAL | SAID | OVER | SESSION_GONE, {0}, NOTHING, CN_CLEAN, false},
	{"11 SENT stands in the session after it", USUAL | SAID | IS_QUIET, {0}, DELIVER, CN_CLEAN, false},
	{"11 and then a bad exit", USUAL | SAID | UNCLEAN, {0}, DELIVER, CN_CLEAN, false},
	{"11 and then the peer's reset", USUAL | SAID | PEER_TRUNCATED, {0}, DELIVER, CN_CLEAN, false},
	{"12 the program gave up its alert", USUAL | ALERT_PENDING, {0}, GOODBYE, CN_COMPLETED, false},
	{"13, 14 all else", USUAL, {0}, GOODBYE, CN_REPAIRED, false},
	{"14 ours was said before", USUAL | SAID_BY_SHIM, {0}, DELIVER, CN_REPAIRED, false},
	{"6 freed without a goodbye", USUAL | SESSION_GONE, {0}, DELIVER, CN_TRUNCATED_BY_US, false},
	{"6 freed, one record left",
	 USUAL | SESSION_GONE | WRITE_PENDING | ONE_RECORD,
	 {0},
	 DELIVER,
	 CN_TRUNCATED_BY_US,
	 false},
	{"9 freed, but quiet", USUAL | SESSION_GONE | IS_QUIET, {0}, NOTHING, CN_QUIET, false},
	{"12 ours was finished before",
	 USUAL | ALERT_PENDING | SAID_BY_SHIM,
	 {0},
	 DELIVER,
	 CN_COMPLETED,
	 false},
	{"14 ours was said before, SENT stands",
	 USUAL | SAID_BY_SHIM | IS_QUIET,
	 {0},
	 DELIVER,
	 CN_REPAIRED,
	 false},
};

static void check_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (enum cn_cause cause = 0; cause < CN_CAUSE_COUNT; cause++) {
			bool other = rows[i].only_exit && cause != CN_CAUSE_EXIT;
			struct cn_facts facts = facts_of(rows[i].bits);

			expect(rows[i].row, rows[i].bits, rows[i].rules, cause,
			       plan_of(other ? GOODBYE : rows[i].deeds, other ? CN_REPAIRED : rows[i].reason,
				       rows[i].bits, cause),
			       cn_decide(&facts, &rows[i].rules, cause));
		}
	}
}

/* --- the order of the rows: the table once more, first match wins --- */

struct question {
	unsigned int bits;
	struct cn_rules rules;
	enum cn_cause cause;
};

static bool has(const struct question *q, unsigned int bits)
{
	return q->bits & bits;
}

/* Rows 4 to 6, 9 and 10 ask whether an alert may be sent. Once one is out they have no question left. */
static bool open_question(const struct question *q, unsigned int bits)
{
	return has(q, bits) && !has(q, SAID | SAID_BY_SHIM);
}

static bool row_1(const struct question *q)
{
	return !has(q, OWNER);
}
static bool row_2(const struct question *q)
{
	return has(q, SHARED);
}
static bool row_3(const struct question *q)
{
	return has(q, STALE);
}
static bool row_4a(const struct question *q)
{
	return open_question(q, UNSUPPORTED);
}
static bool row_4b(const struct question *q)
{
	return open_question(q, ALL) && !has(q, ESTABLISHED);
}
static bool row_5a(const struct question *q)
{
	return open_question(q, FATAL);
}
static bool row_5b(const struct question *q)
{
	return open_question(q, PEER_TRUNCATED);
}
static bool row_6(const struct question *q)
{
	return open_question(q, HELD) || (open_question(q, WRITE_PENDING) && !has(q, ONE_RECORD));
}
static bool row_6_fin_sent(const struct question *q)
{
	return open_question(q, FIN_SENT);
}
static bool row_9_fin_sent(const struct question *q)
{
	return row_6_fin_sent(q) && has(q, IS_QUIET) && !q->rules.quiet_override;
}
static bool row_7(const struct question *q)
{
	return has(q, THREAD_INSIDE);
}
static bool row_8(const struct question *q)
{
	return has(q, ABORT_REQUESTED);
}
static bool row_9(const struct question *q)
{
	return open_question(q, IS_QUIET) && !q->rules.quiet_override;
}
static bool row_10(const struct question *q)
{
	return open_question(q, UNCLEAN) && q->cause == CN_CAUSE_EXIT && !q->rules.exit_always;
}
static bool row_11_over(const struct question *q)
{
	return has(q, SAID) && has(q, OVER);
}
static bool row_11(const struct question *q)
{
	return has(q, SAID);
}
static bool ours_completed(const struct question *q)
{
	return has(q, SAID_BY_SHIM) && has(q, WRITE_PENDING | ALERT_PENDING);
}
static bool ours_is_out(const struct question *q)
{
	return has(q, SAID_BY_SHIM);
}
static bool row_6_one_record(const struct question *q)
{
	return open_question(q, WRITE_PENDING);
}
static bool row_6_freed(const struct question *q)
{
	return open_question(q, SESSION_GONE);
}
static bool row_12(const struct question *q)
{
	return has(q, ALERT_PENDING);
}
static bool row_14(const struct question *q)
{
	return q != NULL;
}

static const struct {
	bool (*matches)(const struct question *q);
	enum cn_reason reason;
	enum deeds deeds;
	enum {
		ANY_TIME,
		BEFORE,
		AFTER
	} goodbye; /* rows from before and after a goodbye can't stand together */
} oracle[] = {
	{row_1, CN_NOT_OWNER, NOTHING, ANY_TIME},
	{row_2, CN_SHARED, NOTHING, ANY_TIME},
	{row_3, CN_STALE_FD, NOTHING, ANY_TIME},
	{row_4a, CN_UNSUPPORTED, NOTHING, BEFORE},
	{row_4b, CN_NOT_ESTABLISHED, NOTHING, BEFORE},
	{row_5a, CN_FATAL_SEEN, NOTHING, BEFORE},
	{row_5b, CN_PEER_TRUNCATED, NOTHING, BEFORE},
	{row_6, CN_TRUNCATED_BY_US, DELIVER, BEFORE},
	{row_9_fin_sent, CN_QUIET, DELIVER, BEFORE},
	{row_6_fin_sent, CN_TRUNCATED_BY_US, DELIVER, BEFORE},
	{row_7, CN_DEFERRED, READER, ANY_TIME},
	{row_8, CN_ABORT_REQUESTED, NOTHING, ANY_TIME},
	{row_9, CN_QUIET, NOTHING, BEFORE},
	{row_10, CN_UNCLEAN_EXIT, NOTHING, BEFORE},
	{row_11_over, CN_CLEAN, NOTHING, AFTER},
	{row_11, CN_CLEAN, DELIVER, AFTER},
	{ours_completed, CN_COMPLETED, DELIVER, AFTER},
	{ours_is_out, CN_REPAIRED, DELIVER, AFTER},
	{row_6_freed, CN_TRUNCATED_BY_US, DELIVER, BEFORE},
	{row_6_one_record, CN_COMPLETED, FINISH, BEFORE},
	{row_12, CN_COMPLETED, GOODBYE, ANY_TIME},
	{row_14, CN_REPAIRED, GOODBYE, ANY_TIME},
};

#define ROWS (sizeof(oracle) / sizeof(*oracle))

static unsigned long met[ROWS], met_in_pairs[ROWS][ROWS];

static void check_order(const struct question *q, struct cn_plan plan)
{
	size_t first = ROWS;

	for (size_t i = 0; i < ROWS; i++) {
		if (!oracle[i].matches(q))
			continue;
		if (first == ROWS)
			first = i;
		met_in_pairs[first][i]++;
	}
	met[first]++;
	expect("first match", q->bits, q->rules, q->cause,
	       plan_of(oracle[first].deeds, oracle[first].reason, q->bits, q->cause), plan);
}

/* --- what must never happen, whatever the table says --- */

static void never(bool happened, const char *title, const struct question *q)
{
	if (!happened || ++failures > 40)
		return;
	put_case(title, q->bits, q->rules, q->cause);
	putchar('\n');
}

static void check_invariants(const struct question *q, struct cn_plan plan)
{
	const unsigned int no_alert = SHARED | STALE | UNSUPPORTED | FATAL | PEER_TRUNCATED | HELD |
				      FIN_SENT | THREAD_INSIDE | ABORT_REQUESTED | SAID | SAID_BY_SHIM |
				      SESSION_GONE;
	const unsigned int hands_off = SHARED | STALE | THREAD_INSIDE | ABORT_REQUESTED;
	bool touches = plan.alert || plan.finish_write || plan.half_close || plan.drain;

	never(plan.reason >= CN_REASON_COUNT, "a reason without a word", q);
	never(plan.alert && has(q, no_alert), "an alert in spite of a fact that forbids it", q);
	never(plan.alert && !has(q, OWNER), "an alert by who does not own it", q);
	never(plan.alert && !has(q, ESTABLISHED), "an alert without a handshake", q);
	never(plan.alert && has(q, WRITE_PENDING) && !(plan.finish_write && has(q, ONE_RECORD)),
	      "an alert into a half-written stream", q);
	never(plan.finish_write && !(plan.alert && has(q, WRITE_PENDING)),
	      "a write finished that was not begun", q);
	never(plan.alert && has(q, IS_QUIET) && !q->rules.quiet_override,
	      "an alert although quiet was asked for", q);
	never(plan.alert && has(q, UNCLEAN) && q->cause == CN_CAUSE_EXIT && !q->rules.exit_always,
	      "an alert at an unclean exit", q);
	never(touches && (!has(q, OWNER) || has(q, hands_off)),
	      "a touched connection that is not ours to touch", q);
	never(touches && has(q, FATAL | PEER_TRUNCATED | UNSUPPORTED) && !has(q, SAID | SAID_BY_SHIM),
	      "a touched connection that is broken", q);
	never(plan.half_close && !plan.drain, "half-close without drain", q);
	never(plan.drain && !plan.half_close &&
		      !(q->cause == CN_CAUSE_EXIT && has(q, SESSION_GONE) && has(q, STREAM)),
	      "drain without half-close", q);
	never((touches || plan.refuse_input) && has(q, SAID) && has(q, OVER) && !has(q, THREAD_INSIDE),
	      "a touched socket on which TLS is over", q);
	never(plan.half_close && !takes_descriptor(q->cause), "a half-close although the descriptor stays",
	      q);
	never(plan.alert && takes_descriptor(q->cause) && !plan.half_close, "an alert at the end without FIN",
	      q);
	never(plan.refuse_input && q->cause != CN_CAUSE_SHUTDOWN_BOTH, "a reader who hears no more", q);
	never(plan.refuse_input && (!has(q, OWNER) || has(q, SHARED | STALE | ABORT_REQUESTED)),
	      "input refused on a socket that is not ours to touch", q);
	never(plan.alert && plan.reason != CN_COMPLETED && plan.reason != CN_REPAIRED,
	      "an alert nobody is told of", q);
	never(!plan.alert && !has(q, SAID_BY_SHIM) &&
		      (plan.reason == CN_COMPLETED || plan.reason == CN_REPAIRED),
	      "an alert told of that was not sent", q);
}

/* A fact that warns may take an alert away; it must never bring one about. */
static void check_warnings_only_silence(const struct question *q, const bool *alert)
{
	for (size_t i = 0; i < FACTS && alert[q->bits]; i++) {
		unsigned int bit = fact_names[i].bit;
		bool warns = !(bit & (OWNER | ESTABLISHED | ONE_RECORD));

		/* `bit` stands as the warning; take it back, and the alert must still be there */
		if (!(q->bits & bit) == !warns && !alert[q->bits ^ bit])
			never(true, "a warning that brings an alert about", q);
	}
}

/* STREAM, the highest bit, is asked for at exit only. */
static unsigned int most(enum cn_cause cause)
{
	return cause == CN_CAUSE_EXIT ? ALL : ALL & ~(unsigned int)STREAM;
}

/* Whether FIN was sent is asked only where nothing is held and no goodbye is out. */
static bool is_no_case(unsigned int bits)
{
	return bits & FIN_SENT && bits & (HELD | SAID | SAID_BY_SHIM);
}

static unsigned long decisions;

static void check_every_case(void)
{
	static bool alert[ALL + 1];

	for (unsigned int i = 0; i < 4 * CN_CAUSE_COUNT; i++) {
		struct question q = {.rules = {i & 1, i & 2}, .cause = (enum cn_cause)(i / 4)};

		for (q.bits = 0; q.bits <= most(q.cause); q.bits++) {
			struct cn_facts facts;
			struct cn_plan plan;

			if (is_no_case(q.bits))
				continue;
			facts = facts_of(q.bits);
			plan = cn_decide(&facts, &q.rules, q.cause);
			decisions++;
			alert[q.bits] = plan.alert;
			check_order(&q, plan);
			check_invariants(&q, plan);
		}
		for (q.bits = 0; q.bits <= most(q.cause); q.bits++)
			check_warnings_only_silence(&q, alert);
	}
}

/* Every row is the answer somewhere, and every pair of rows that can stand together was asked in its order. */
static void check_coverage(void)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (!met[i] && ++failures)
			printf("row %zu of the oracle (%s) was never the first match\n", i,
			       cn_reason_word(oracle[i].reason));
		for (size_t j = i + 1; j < ROWS; j++) {
			bool apart = oracle[i].goodbye + oracle[j].goodbye == BEFORE + AFTER &&
				     oracle[i].goodbye != ANY_TIME && oracle[j].goodbye != ANY_TIME;

			/* What ours_completed left to ours_is_out, and row_9_fin_sent to row_6_fin_sent. */
			apart |= oracle[i].matches == row_6_fin_sent && oracle[j].matches == row_9;
			apart |= oracle[i].matches == ours_is_out && oracle[j].matches == row_12;
			if (!met_in_pairs[i][j] && !apart && ++failures)
				printf("rows %zu and %zu of the oracle never met\n", i, j);
		}
	}
}

static void check_words(void)
{
	for (enum cn_reason i = 0; i < CN_REASON_COUNT; i++) {
		for (enum cn_reason j = 0; j <= i; j++) {
			if ((j == i ? !*cn_reason_word(i) : !strcmp(cn_reason_word(i), cn_reason_word(j))) &&
			    ++failures)
				printf("reasons %d and %d have no words of their own\n", (int)i, (int)j);
		}
	}
	for (enum cn_cause i = 0; i < CN_CAUSE_COUNT; i++) {
		if (!*cn_cause_word(i) && ++failures)
			printf("cause %d has no word\n", (int)i);
	}
}

int main(void)
{
	check_rows();
	check_every_case();
	check_coverage();
	check_words();
	if (failures) {
		printf("%u failures\n", failures);
		return 1;
	}
	printf("%zu rows for %d causes, %lu decisions: all as the table says\n", sizeof(rows) / sizeof(*rows),
	       CN_CAUSE_COUNT, decisions);
	return 0;
}
