/* SPDX-License-Identifier: MIT
 * A program that exports OpenSSL's names and is none: SSL_read is written in machine code, one SHAPE of entry each. Prints what it
 * returns for some arguments, called directly and by a pointer, and whether a jump stands at the entries. */
#include "../../shim/openssl.h"

#include <stdio.h>
#include <string.h>

int SSL_read(const void *ssl, void *buf, int num);
void SSL_free(const void *ssl);
int helper(const void *ssl, void *buf, int num);

int factor = 3, freed;

#ifndef LACKS /* what the library needs of OpenSSL */
#define NEED(ret, name, params)                                                                              \
	const void *name(void)                                                                               \
	{                                                                                                    \
		return NULL;                                                                                 \
	}
#define MAY(ret, name, params)
OPENSSL_USES
#undef NEED
#undef MAY
#endif

/* The argument is in edx; seven times it, plus two, comes back. */
#define REST "	lea 2(%rdx,%rdx,2), %eax\n	lea (%rax,%rdx,4), %eax\n	ret\n"

#define FUNCTION(body)                                                                                       \
	__asm__(".pushsection .text\n.globl SSL_read\n.type SSL_read, @function\n.balign 16\n"               \
		"SSL_read:\n" body ".size SSL_read, . - SSL_read\n.popsection\n");

#if SHAPE == 1 /* as most begin */
FUNCTION("	push %rbp\n	mov %rsp, %rbp\n	push %r12\n	sub $0x18, %rsp\n	mov %edx, "
	 "%r12d\n"
	 "	lea 2(%r12,%r12,2), %eax\n	lea (%rax,%r12,4), %eax\n	mov -8(%rbp), %r12\n	"
	 "leave\n	ret\n")
#elif SHAPE == 2 /* something at a distance from RIP, and an operand behind it */
FUNCTION("	cmpl $3, factor(%rip)\n	jne 1f\n" REST "1:	xor %eax, %eax\n	ret\n")
#elif SHAPE == 3 /* a short branch, taken and not */
FUNCTION("	test %edx, %edx\n	je 1f\n	push %rbx\n	pop %rbx\n" REST
	 "1:	mov $2, %eax\n	ret\n")
#elif SHAPE == 4
FUNCTION("	endbr64\n	test %rdi, %rdi\n	je 1f\n" REST "1:	xor %eax, %eax\n	"
	 "ret\n")
#elif SHAPE == 5  /* a tail call */
FUNCTION("	xor %eax, %eax\n	jmp helper\n")
#elif SHAPE == 6  /* four bytes, and padding up to 16 */
FUNCTION("	mov %edx, %eax\n	jmp 2f\n	.balign 16\n2:\n" REST)
#elif SHAPE == 7  /* a switch that leads elsewhere */
FUNCTION("	push %rbp\n	mov %rsp, %rbp\n	pop %rbp\n	mov %edx, %eax\n	and $1, "
	 "%eax\n"
	 "	jmp *table(,%rax,8)\n1:\n" REST "2:	nop\n" REST
	 ".pushsection .rodata\n.balign 8\ntable:	.quad 1b, 2b, 0\n.popsection\n")
#elif SHAPE == 8  /* a branch with four bytes of distance, in a large function */
FUNCTION("	cmp $100, %edx\n	jg 1f\n" REST "	.skip 300, 0x90\n1:\n" REST)
/* --- what is refused --- */
#elif SHAPE == 21 /* an instruction that is not known */
FUNCTION("	push %rdx\n	rdtsc\n	pop %rdx\n	nop\n" REST)
#elif SHAPE == 22 /* a loop */
FUNCTION("	xor %eax, %eax\n1:	add $7, %eax\n	sub $1, %edx\n	jge 1b\n	sub $5, %eax\n	"
	 "ret\n")
#elif SHAPE == 23 /* a loop to the entry itself */
FUNCTION("1:	add $0, %eax\n	add $0, %ecx\n	sub $1, %r8d\n	jge 1b\n" REST)
#elif SHAPE == 24 /* a long branch from elsewhere */
FUNCTION("	push %rbx\n1:	nop\n	mov %edx, %ebx\n	pop %rbx\n" REST
	 ".pushsection .text.other, \"ax\"\n	.byte 0x0f, 0x85\n	.long 1b - . - 4\n	"
	 "ret\n.popsection\n")
#elif SHAPE == 25 /* too short: another function follows at once */
FUNCTION("	jmp helper2\n") __asm__(".pushsection .text\nhelper2:\n" REST ".popsection\n");
#elif SHAPE == 26 /* a call */
FUNCTION("	call 1f\n	nop\n" REST "1:	ret\n")
#elif SHAPE == 27 /* a switch that leads into what would be moved */
FUNCTION("	xor %eax, %eax\n1:	mov %edx, %ecx\n	push %rcx\n	pop %rcx\n	cmp %eax, "
	 "%eax\n	je 3f\n"
	 "	jmp *table(,%rax,8)\n3:\n" REST
	 ".pushsection .rodata\n.balign 8\ntable:	.quad 3b, 1b, 0\n.popsection\n")
#elif SHAPE == 30 /* two functions that a linker has folded into one */
FUNCTION(".globl SSL_peek\n.type SSL_peek, @function\nSSL_peek:\n" REST ".size SSL_peek, . - SSL_peek\n")
#elif SHAPE == 28 /* a switch of position-independent code */
FUNCTION("	push %rbp\n	mov %rsp, %rbp\n	pop %rbp\n	xor %eax, %eax\n	lea "
	 "1f(%rip), %rcx\n	add %rcx, %rax\n"
	 "	jmp *%rax\n1:\n" REST)
#elif SHAPE == 29 /* too short: a function that begins with no-ops follows at once */
FUNCTION("	mov %edx, %eax\n	jmp helper2\n")
__asm__(".pushsection .text\nhelper2:\n	nop\n	nop\n" REST ".popsection\n");
#endif

__asm__(".pushsection .text\n.globl SSL_free\n.type SSL_free, @function\n.balign 16\n"
	"SSL_free:\n	push %rbp\n	mov %rsp, %rbp\n	addl $1, freed(%rip)\n	leave\n	ret\n"
	".size SSL_free, . - SSL_free\n.popsection\n");

int helper(const void *ssl, void *buf, int num)
{
	(void)ssl, (void)buf;
	return 7 * num + 2;
}

static int has_jump(const void *entry)
{
	static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	const unsigned char *bytes = entry;

	return bytes[memcmp(bytes, endbr64, 4) ? 0 : 4] == 0xe9;
}

int main(void)
{
	static const void *ssl[] = {&factor, &factor, &factor, &factor};
	int (*volatile by_pointer)(const void *, void *, int) = SSL_read;

	for (int i = 0; i < 5; i++)
		printf("%d %d\n", SSL_read(ssl, NULL, i), by_pointer(ssl, NULL, 50 * i));
	SSL_free(ssl);
	printf("freed %d\n", freed);
	printf("changed: %d %d\n", has_jump((const void *)SSL_read), has_jump((const void *)SSL_free));
	return 0;
}
