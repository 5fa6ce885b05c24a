/* SPDX-License-Identifier: MIT
 * A record of the log as a list of fields, and the ways of writing it. Invariant: whatever stands in a field, a record is
 * one line (for journald one message) of less than PIPE_BUF bytes, and valid. */
#ifndef CN_RECORD_H
#define CN_RECORD_H

#include "format.h"

#include <time.h>

struct cn_field {
	enum {
		CN_FIELD_WORD,    /* one of ours; NULL: not known */
		CN_FIELD_OUTSIDE, /* from outside: a name that anybody may have chosen; NULL: not known */
		CN_FIELD_COUNT,   /* negative: not known */
		CN_FIELD_NUMBER,  /* of any sign; CN_NO_NUMBER: not known */
		CN_FIELD_FLAG,    /* negative: not known */
		CN_FIELD_CODE,    /* an address in the program; NULL: not known */
		CN_FIELD_LIST,    /* what follows, up to the END, is an array and has no keys */
		CN_FIELD_OBJECT,
		CN_FIELD_END,
	} kind;
	const char *key;
	union {
		const char *word;
		const void *code;
		int64_t count;
	};
};

#define CN_NO_NUMBER INT64_MIN

struct cn_record {
	const char *event;
	const char *phrases[3]; /* for a person; NULL: none */
	bool bad;               /* a person ought to look */
	struct timespec time;
	struct cn_field *fields;
	int count, most; /* `most`: what there is room for */
};

/* Without room it is left out. Any thread; where CODE is among the fields, not in a signal handler. */
void cn_record_add(struct cn_record *record, struct cn_field field);
void cn_record_as_text(const struct cn_record *record, struct cn_text *text);
void cn_record_as_json(const struct cn_record *record, struct cn_text *text);
/* What a syslog daemon takes from /dev/log. */
void cn_record_as_syslog(const struct cn_record *record, struct cn_text *text, bool json);
/* journald's native protocol. */
void cn_record_as_journal(const struct cn_record *record, struct cn_text *text);

#endif
