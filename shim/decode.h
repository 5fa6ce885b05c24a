/* SPDX-License-Identifier: MIT
 * How long an x86-64 instruction is, of those that compilers put at the start of a function. Invariant: pure; what it does not know
 * for certain it refuses. */
#ifndef CN_DECODE_H
#define CN_DECODE_H

#include <stdbool.h>
#include <stdint.h>

enum cn_kind {
	CN_PLAIN,  /* goes on with the next one, wherever it stands */
	CN_BRANCH, /* a conditional jump */
	CN_JUMP,
	CN_CALL, /* which would leave another return address */
	CN_RETURN,
};

struct cn_insn {
	unsigned int length;
	enum cn_kind kind;
	unsigned int relative;  /* where its displacement from RIP (4 bytes) stands; 0: none */
	unsigned int condition; /* of a branch: the low half of its opcode */
	int64_t distance;       /* of a branch, jump or call: from its end to where it goes */
};

#define CN_INSN_MOST 15 /* bytes; as many can be read at `code` */

/* False: refused. */
bool cn_decode(const unsigned char *code, struct cn_insn *insn);

/* The length of a no-op or int3, which compilers and linkers fill with; 0 for anything else. */
unsigned int cn_padding(const unsigned char *code);

#endif
