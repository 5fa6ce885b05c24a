/* SPDX-License-Identifier: MIT
 * The encodings: Intel's manual, volume 2, appendix A; tests/decode holds them against objdump. */
#include "decode.h"

#include <string.h>

#define REX_W 8

/* What follows the opcode. */
enum form { UNKNOWN, MODRM, MODRM_MEMORY, MODRM_IMM8, MODRM_IMM32, MODRM_0, MODRM_0_IMM8, MODRM_0_IMM32 };

static enum form form_of(unsigned char opcode)
{
	switch (opcode) {
	case 0x01: /* add, or, and, sub, xor, cmp: a register to memory or another one */
	case 0x03: /* and the reverse */
	case 0x09:
	case 0x0b:
	case 0x21:
	case 0x23:
	case 0x29:
	case 0x2b:
	case 0x31:
	case 0x33:
	case 0x39:
	case 0x3b:
	case 0x84: /* test */
	case 0x85:
	case 0x88: /* mov */
	case 0x89:
	case 0x8a:
	case 0x8b:
		return MODRM;
	case 0x8d: /* lea */
		return MODRM_MEMORY;
	case 0x80: /* the same eight with a number */
	case 0x83:
		return MODRM_IMM8;
	case 0x81:
		return MODRM_IMM32;
	case 0xc6: /* mov; the other numbers in the register's place are something else */
	case 0xf6: /* test */
		return MODRM_0_IMM8;
	case 0xc7:
	case 0xf7:
		return MODRM_0_IMM32;
	default:
		return UNKNOWN;
	}
}

static enum form form_of_two(unsigned char opcode)
{
	switch (opcode) {
	case 0xb6: /* movzx */
	case 0xb7:
	case 0xbe: /* movsx */
	case 0xbf:
		return MODRM;
	case 0x1f: /* no-op */
		return MODRM_0;
	case 0xc1: /* xadd, with a lock */
		return MODRM_MEMORY;
	default:
		return UNKNOWN;
	}
}

/* The length of ModRM, SIB and displacement; `relative` is set if it is one from RIP. */
static unsigned int operand(const unsigned char *at, bool *relative)
{
	unsigned int mod = at[0] >> 6, rm = at[0] & 7, length = 1;

	*relative = mod == 0 && rm == 5;
	if (mod == 3)
		return length;
	if (rm == 4) {
		length++;
		if (mod == 0 && (at[1] & 7) == 5)
			return length + 4;
	}
	if (mod == 1)
		return length + 1;
	return mod == 2 || *relative ? length + 4 : length;
}

static bool with_operand(const unsigned char *code, unsigned int at, enum form form, struct cn_insn *insn)
{
	unsigned int mod = code[at] >> 6, reg = code[at] >> 3 & 7;
	bool relative;

	if ((form == MODRM_MEMORY && mod == 3) ||
	    ((form == MODRM_0 || form == MODRM_0_IMM8 || form == MODRM_0_IMM32) && reg != 0))
		return false;
	insn->length = at + operand(code + at, &relative);
	insn->relative = relative ? at + 1 : 0;
	if (form == MODRM_IMM8 || form == MODRM_0_IMM8)
		insn->length += 1;
	if (form == MODRM_IMM32 || form == MODRM_0_IMM32)
		insn->length += 4;
	return true;
}

static bool transfer(const unsigned char *code, unsigned int at, unsigned int size, enum cn_kind kind,
		     struct cn_insn *insn)
{
	int32_t distance;

	memcpy(&distance, code + at, sizeof(distance));
	insn->kind = kind;
	insn->distance = size == 1 ? (signed char)code[at] : distance;
	insn->condition = code[at - 1] & 15U;
	insn->length = at + size;
	return true;
}

/* Those that take no REX here. */
static bool without_rex(const unsigned char *code, struct cn_insn *insn)
{
	switch (code[0]) {
	case 0x90: /* no-op */
	case 0xc9: /* leave */
		insn->length = 1;
		return true;
	case 0xc3:
		insn->length = 1;
		insn->kind = CN_RETURN;
		return true;
	case 0xe8:
		return transfer(code, 1, 4, CN_CALL, insn);
	case 0xeb:
		return transfer(code, 1, 1, CN_JUMP, insn);
	case 0xe9:
		return transfer(code, 1, 4, CN_JUMP, insn);
	case 0x0f:
		return (code[1] & 0xf0) == 0x80 && transfer(code, 2, 4, CN_BRANCH, insn);
	default:
		return (code[0] & 0xf0) == 0x70 && transfer(code, 1, 1, CN_BRANCH, insn);
	}
}

bool cn_decode(const unsigned char *code, struct cn_insn *insn)
{
	bool lock = code[0] == 0xf0;
	unsigned int at = lock;
	unsigned char rex = 0;
	enum form form;

	*insn = (struct cn_insn){.kind = CN_PLAIN};
	if (without_rex(code, insn))
		return true;
	if ((code[at] & 0xf0) == 0x40)
		rex = code[at++];
	if (lock != (code[at] == 0x0f && code[at + 1] == 0xc1))
		return false;
	if ((code[at] & 0xf0) == 0x50) { /* push, pop; with a REX only to reach r8 to r15 */
		insn->length = at + 1;
		return !rex || rex == 0x41;
	}
	if ((code[at] & 0xf8) == 0xb8) { /* mov */
		insn->length = at + 1 + (rex & REX_W ? 8 : 4);
		return true;
	}
	form = code[at] == 0x0f ? form_of_two(code[++at]) : form_of(code[at]);
	return form != UNKNOWN && with_operand(code, at + 1, form, insn);
}

unsigned int cn_padding(const unsigned char *code)
{
	unsigned int at = 0;
	bool relative;

	if (code[0] == 0xcc)
		return 1;
	while (at < 6 && code[at] == 0x66)
		at++;
	if (code[at] == 0x90)
		return at <= 1 ? at + 1 : 0;
	if (at && code[at] == 0x2e) /* a segment that is ignored */
		at++;
	if (code[at] != 0x0f || code[at + 1] != 0x1f || (code[at + 2] & 0x38) != 0)
		return 0;
	return at + 2 + operand(code + at + 2, &relative);
}
