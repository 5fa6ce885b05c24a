/* SPDX-License-Identifier: MIT
 * What shim/decode.c makes of code: decode FILE <LIST. Of each line of the list, "OFFSET BYTES", the instructions from that offset of the
 * file on until so many bytes are over or one is refused: "OFFSET LENGTH", or "OFFSET refused". */
#include "../../shim/decode.c"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	unsigned long offset, bytes;
	struct stat file;
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	const unsigned char *code;

	if (fd < 0 || fstat(fd, &file) != 0)
		return 1;
	code = mmap(NULL, (size_t)file.st_size + CN_INSN_MOST, PROT_READ, MAP_PRIVATE, fd, 0);
	if (code == MAP_FAILED)
		return 1;
	while (scanf("%lu %lu", &offset, &bytes) == 2) {
		for (unsigned long end = offset + bytes; offset < end;) {
			struct cn_insn insn;

			if (!cn_decode(code + offset, &insn)) {
				printf("%lu refused\n", offset);
				break;
			}
			printf("%lu %u\n", offset, insn.length);
			offset += insn.length;
		}
	}
	return 0;
}
