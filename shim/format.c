/* SPDX-License-Identifier: MIT
 * Text without malloc or stdio. Invariant: a full buffer cuts the text, it never overruns. */
#include "format.h"

#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void put_bytes(struct cn_text *text, const char *bytes, size_t length)
{
	size_t room = sizeof(text->bytes) - text->length;

	if (length > room)
		length = room;
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

void cn_put(struct cn_text *text, const char *string)
{
	put_bytes(text, string, strlen(string));
}

static void put_padded(struct cn_text *text, uint64_t number, int width)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number || sizeof(digits) - at < (size_t)width);
	put_bytes(text, digits + at, sizeof(digits) - at);
}

void cn_put_number(struct cn_text *text, uint64_t number)
{
	put_padded(text, number, 1);
}

static const char hex[] = "0123456789abcdef";

char *cn_digits_before(char *end, uint64_t number, unsigned int base)
{
	do {
		*--end = hex[number % base];
	} while (number /= base);
	return end;
}

void cn_put_hex(struct cn_text *text, uint64_t number)
{
	char digits[16], *end = digits + sizeof(digits), *at = cn_digits_before(end, number, 16);

	put_bytes(text, at, (size_t)(end - at));
}

void cn_put_escaped(struct cn_text *text, const char *string, size_t most)
{
	for (; most && *string; string++) {
		unsigned char c = (unsigned char)*string;
		const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
		bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
		size_t length = plain ? 1 : sizeof(escape);

		if (length > most)
			return;
		put_bytes(text, plain ? string : escape, length);
		most -= length;
	}
}

void cn_put_time(struct cn_text *text, int64_t seconds, long microseconds)
{
	/* Days to civil date as in the proleptic Gregorian calendar, counted from 0000-03-01; gmtime_r may
	 * take a lock. */
	int64_t days = seconds / 86400, rest = seconds % 86400;
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);

	put_padded(text, (uint64_t)year, 4);
	cn_put(text, "-");
	put_padded(text, (uint64_t)month, 2);
	cn_put(text, "-");
	put_padded(text, (uint64_t)day, 2);
	cn_put(text, "T");
	put_padded(text, (uint64_t)(rest / 3600), 2);
	cn_put(text, ":");
	put_padded(text, (uint64_t)(rest / 60 % 60), 2);
	cn_put(text, ":");
	put_padded(text, (uint64_t)(rest % 60), 2);
	cn_put(text, ".");
	put_padded(text, (uint64_t)microseconds, 6);
	cn_put(text, "Z");
}

long cn_text_write(const struct cn_text *text, int fd)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	struct rlimit limit;
	struct stat status;

	if (fstat(fd, &status))
		return -1;
	/* A file at RLIMIT_FSIZE would kill by SIGXFSZ. A pipe that nobody empties would block, one that nobody reads would kill
	 * by SIGPIPE; POLLOUT promises room for PIPE_BUF. */
	if (S_ISREG(status.st_mode)
		    ? getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
			      (rlim_t)status.st_size + text->length > limit.rlim_cur
		    : poll(&writable, 1, 0) != 1 || writable.revents & (POLLERR | POLLHUP | POLLNVAL))
		return -1;
	return syscall(SYS_write, fd, text->bytes, text->length);
}
