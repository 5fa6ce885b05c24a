/* SPDX-License-Identifier: MIT
 * The verdict on a peer's reset, which a connection shows by chance alone. Prints a line per failing row; exit status 1 if there was one. */
#include "verdict.c"

#include <stdio.h>

static const struct {
	const char *row;
	struct cn_evidence evidence;
	enum cn_verdict verdict;
	enum cn_wire_end peer_end;
} rows[] = {
	{"reset", {.reset = true}, CN_VERDICT_TRUNCATED_BY_PEER, CN_WIRE_RESET},
	{"reset, and input is unread", {.reset = true, .unread = true}, CN_VERDICT_UNKNOWN, CN_WIRE_RESET},
	{"reset after close_notify",
	 {.reset = true, .peer_closed = true},
	 CN_VERDICT_ENDED,
	 CN_WIRE_CLOSE_NOTIFY},
	{"reset after an end of which the library does not tell whether it was close_notify",
	 {.reset = true, .untold = true},
	 CN_VERDICT_UNKNOWN,
	 CN_WIRE_UNKNOWN},
	{"the same, and a call met the reset",
	 {.reset = true, .untold = true, .truncated = true, .peer_reset = true},
	 CN_VERDICT_UNKNOWN,
	 CN_WIRE_UNKNOWN},
};

int main(void)
{
	int failures = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cn_evidence evidence = rows[i].evidence;
		struct cn_judgement j;

		evidence.tcp = true;
		evidence.reason = CN_PEER_TRUNCATED;
		j = cn_judge(&evidence);
		if (j.verdict == rows[i].verdict && j.peer_end == rows[i].peer_end)
			continue;
		printf("%s: %s, %s\n", rows[i].row, cn_verdict_word(j.verdict), cn_wire_end_word(j.peer_end));
		failures++;
	}
	return failures != 0;
}
