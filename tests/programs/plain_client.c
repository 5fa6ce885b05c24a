/* SPDX-License-Identifier: MIT
 * A TLS client that does what a string of letters says, in that order, and prints what each call gave: its value,
 * errno, SSL_get_error and OpenSSL's error queue. Two runs that differ in these lines are different programs; that is
 * how the shim's promise to leave a program alone is measured. Invariants: lines are written at once, errno holds a
 * mark before each call, and nothing random (ports, addresses, process numbers) is printed. */
#include "../rude/old_libc.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK     4242 /* in errno before each call */
#define MOST_FDS 4096
#define BUFFER   16384

static SSL_CTX *context;
static SSL *ssl;
static int fd = -1, copy = -1, pair = -1; /* the connection, its dup, the far end of a socketpair */
static const char *sni;
static int port;
static char letter;

/* --- lines --- */

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
	char line[4096];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	line[length++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		_exit(3);
}

static const char *errno_text(int error)
{
	static char text[32];

	if (error == MARK)
		return "untouched";
	snprintf(text, sizeof(text), "%d", error);
	return text;
}

/* After a system call. */
static void tell(const char *call, long value)
{
	say("%c: %s = %ld, errno %s", letter, call, value, errno_text(errno));
	errno = MARK;
}

/* After a call of libssl; `verdict`: it is one that SSL_get_error explains. */
static void tell_tls(const char *call, long value, bool verdict)
{
	int error = errno, why = verdict && ssl ? SSL_get_error(ssl, (int)value) : -1;

	say("%c: %s = %ld, errno %s, SSL_get_error %d, queue %08lx %08lx", letter, call, value,
	    errno_text(error), why, ERR_peek_error(), ERR_peek_last_error());
	errno = MARK;
}

static void die(const char *what)
{
	fprintf(stderr, "plain_client: %s: %s\n", what, strerror(errno));
	_exit(2);
}

/* --- calls on the session --- */

static void tls_connect(int n)
{
	(void)n;
	tell_tls("SSL_connect", SSL_connect(ssl), true);
}

static void tls_write(int n)
{
	char *bytes = calloc(1, (size_t)n + 1);

	if (!bytes)
		die("calloc");
	for (int i = 0; i < n; i++)
		bytes[i] = (char)('a' + i % 26);
	errno = MARK;
	tell_tls("SSL_write", SSL_write(ssl, bytes, n), true);
	free(bytes);
}

static void tls_write_ex(int n)
{
	char bytes[BUFFER] = "";
	size_t put = 0;
	int ret = SSL_write_ex(ssl, bytes, (size_t)(n < BUFFER ? n : BUFFER), &put);

	tell_tls("SSL_write_ex", ret, true);
}

static void tls_read(int n)
{
	char bytes[BUFFER];

	tell_tls("SSL_read", SSL_read(ssl, bytes, n < BUFFER ? n : BUFFER), true);
}

static void tls_read_ex(int n)
{
	char bytes[BUFFER];
	size_t got = 0;
	int ret = SSL_read_ex(ssl, bytes, (size_t)(n < BUFFER ? n : BUFFER), &got);

	tell_tls("SSL_read_ex", ret, true);
}

static void tls_peek(int n)
{
	char bytes[BUFFER];

	tell_tls("SSL_peek", SSL_peek(ssl, bytes, n < BUFFER ? n : BUFFER), true);
}

static void tls_read_all(int n)
{
	char bytes[BUFFER];
	long all = 0;
	int got;

	(void)n;
	while ((errno = MARK, got = SSL_read(ssl, bytes, sizeof(bytes))) > 0)
		all += got;
	tell_tls("SSL_read, the last", got, true);
	say("%c: %ld bytes in all", letter, all);
}

static void tls_shutdown(int n)
{
	(void)n;
	tell_tls("SSL_shutdown", SSL_shutdown(ssl), true);
}

static void tls_free(int n)
{
	(void)n;
	SSL_free(ssl);
	ssl = NULL;
	tell_tls("SSL_free", 0, false);
}

/* One reference less, the session lives on. */
static void tls_free_one(int n)
{
	(void)n;
	SSL_free(ssl);
	tell_tls("SSL_free", 0, false);
}

static void tls_clear(int n)
{
	(void)n;
	tell_tls("SSL_clear", SSL_clear(ssl), false);
}

static void tls_up_ref(int n)
{
	(void)n;
	tell_tls("SSL_up_ref", SSL_up_ref(ssl), false);
}

static void tls_quiet(int n)
{
	SSL_set_quiet_shutdown(ssl, n);
	tell_tls("SSL_set_quiet_shutdown", n, false);
}

static void tls_set_shutdown(int n)
{
	SSL_set_shutdown(ssl, n);
	tell_tls("SSL_set_shutdown", n, false);
}

static void tls_get_shutdown(int n)
{
	(void)n;
	tell_tls("SSL_get_shutdown", SSL_get_shutdown(ssl), false);
}

static void tls_new(int n)
{
	(void)n;
	ssl = SSL_new(context);
	if (!ssl || !SSL_set_fd(ssl, fd) || (sni && !SSL_set_tlsext_host_name(ssl, sni)))
		die("SSL_new");
	SSL_set_connect_state(ssl);
	tell_tls("SSL_new, SSL_set_fd", 1, false);
}

static void tls_context_free(int n)
{
	(void)n;
	SSL_CTX_free(context);
	context = NULL;
	tell_tls("SSL_CTX_free", 0, false);
}

static void tls_raise(int n)
{
	(void)n;
	ERR_put_error(ERR_LIB_USER, 0, 42, "plain_client", 1);
	tell_tls("an old error in the queue", 0, false);
}

/* --- calls on the descriptor --- */

static void tcp_connect(int n)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};

	(void)n;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	tell("socket", fd);
	tell("connect", connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static void fd_close(int n)
{
	(void)n;
	tell("close", close(fd));
}

static void fd_close_copy(int n)
{
	(void)n;
	tell("close of the copy", close(copy));
}

static void fd_shut_write(int n)
{
	(void)n;
	tell("shutdown SHUT_WR", shutdown(fd, SHUT_WR));
}

static void fd_shut_read(int n)
{
	(void)n;
	tell("shutdown SHUT_RD", shutdown(fd, SHUT_RD));
}

static void fd_shut_both(int n)
{
	(void)n;
	tell("shutdown SHUT_RDWR", shutdown(fd, SHUT_RDWR));
}

static void fd_dup(int n)
{
	(void)n;
	copy = dup(fd);
	tell("dup", copy);
}

static void fd_fcntl_dup(int n)
{
	copy = fcntl(fd, F_DUPFD_CLOEXEC, n);
	tell("fcntl F_DUPFD_CLOEXEC", copy);
}

static void fd_replace(int n)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)n;
	errno = MARK;
	tell("dup2 over it", dup2(null, fd));
	close(null);
}

static void fd_replace_wrong(int n)
{
	(void)n;
	tell("shutdown with a nonsense direction", shutdown(fd, 9));
	tell("dup2 of a closed descriptor over it", dup2(4000, fd));
	tell("dup3 with nonsense flags over it", dup3(STDOUT_FILENO, fd, 0x7));
	tell("close_range with nonsense flags over it",
	     close_range((unsigned int)fd, (unsigned int)fd, 0x40));
}

static void fd_close_range(int n)
{
	(void)n;
	tell("close_range of it", close_range((unsigned int)fd, (unsigned int)fd, 0));
}

static void fd_closefrom(int n)
{
	(void)n;
	closefrom(fd);
	tell("closefrom it", 0);
}

static void fd_fclose(int n)
{
	FILE *stream = fdopen(fd, "r+");

	(void)n;
	errno = MARK;
	tell("fclose of it", stream ? fclose(stream) : -1);
}

static void fd_abort(int n)
{
	struct linger linger = {.l_onoff = 1, .l_linger = n};

	tell("SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

static void fd_nonblocking(int n)
{
	tell("O_NONBLOCK", fcntl(fd, F_SETFL, n ? O_NONBLOCK : 0));
}

static void fd_send_plain(int n)
{
	char bytes[BUFFER];

	memset(bytes, 'P', sizeof(bytes));
	tell("send", send(fd, bytes, (size_t)(n < BUFFER ? n : BUFFER), 0));
}

static void fd_wait(int n)
{
	struct pollfd one = {.fd = fd, .events = (short)n};

	tell("poll", poll(&one, 1, -1));
}

static void wait_input(int n)
{
	(void)n;
	fd_wait(POLLIN);
}

static void wait_end(int n)
{
	(void)n;
	fd_wait(POLLRDHUP);
}

/* --- the process's descriptors --- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return atoi((*a)->d_name) - atoi((*b)->d_name);
}

/* The kernel's own view; what can't be the same in two runs (numbers of sockets and pipes) is cut off. */
static void table(int n)
{
	struct dirent **entries;
	int count = scandir("/proc/self/fd", &entries, NULL, by_name);

	for (int i = 0; i < count; i++) {
		char name[300], path[256];
		ssize_t length;

		snprintf(name, sizeof(name), "/proc/self/fd/%s", entries[i]->d_name);
		length = readlink(name, path, sizeof(path) - 1);
		if (length > 0 &&
		    (n == 0 || atoi(entries[i]->d_name) < n)) { /* scandir's own is closed by now */
			path[length] = '\0';
			if (strchr(path, '[') && !strchr(path, '/'))
				*strchr(path, ':') = '\0';
			say("%c: %s is %s", letter, entries[i]->d_name, path);
		}
		free(entries[i]);
	}
	free(entries);
	errno = MARK;
}

static void make_pair(int n)
{
	int ends[2];
	int ret = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);

	(void)n;
	pair = ends[1];
	tell("socketpair", ret);
	say("%c: it is %d and %d", letter, ends[0], ends[1]);
}

static void look_in_pair(int n)
{
	char bytes[BUFFER];

	(void)n;
	tell("recv from the pair", recv(pair, bytes, sizeof(bytes), MSG_DONTWAIT));
}

/* What a daemon does that knows no better. */
static void close_each(int n)
{
	int good = 0;

	for (int i = 3; i <= n; i++)
		good += close(i) == 0;
	errno = MARK;
	say("%c: close of 3 to %d, one by one: %d were open", letter, n, good);
}

static void close_from(int n)
{
	closefrom(n);
	tell("closefrom", n);
}

static void close_all_ranges(int n)
{
	tell("close_range", close_range((unsigned int)n, ~0U, 0));
}

static void dup_over_each(int n)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), good = 0;

	for (int i = 3; i <= n; i++) {
		if (i != null && i != fd && i != pair && dup2(null, i) == i)
			good += close(i) == 0;
	}
	close(null);
	errno = MARK;
	say("%c: dup2 onto 3 to %d: %d were made and closed again", letter, n, good);
}

/* Which numbers a program gets that takes all there are. */
static void take_all(int n)
{
	static int got[MOST_FDS];
	int count = 0, one, from = 0;

	(void)n;
	while (count < MOST_FDS && (one = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		got[count++] = one;
	tell("open, the last", count < MOST_FDS ? -1 : 0);
	for (int i = 0; i < count; i++) {
		if (i + 1 < count && got[i + 1] == got[i] + 1)
			continue;
		say("%c: got %d to %d", letter, got[from], got[i]);
		from = i + 1;
	}
	while (count)
		close(got[--count]);
	errno = MARK;
}

static void close_stderr(int n)
{
	(void)n;
	tell("close of stderr", close(STDERR_FILENO));
}

static void ignore_pipe(int n)
{
	signal(SIGPIPE, n ? SIG_IGN : SIG_DFL);
	errno = MARK;
}

/* --- the process's end, and others --- */

static void call_exit(int n)
{
	exit(n);
}

static void call__exit(int n)
{
	_exit(n);
}

static void call_quick_exit(int n)
{
	quick_exit(n);
}

static void call_abort(int n)
{
	(void)n;
	abort();
}

/* A child that has its own descriptors but our memory, as posix_spawn makes it. */
static void vfork_close(int n)
{
	static volatile int ret, error; /* in the memory that both use */
	pid_t child = vfork();
	int status = 0;

	(void)n;
	if (child == 0) {
		errno = MARK;
		ret = close(fd);
		error = errno;
		_exit(0);
	}
	waitpid(child, &status, 0);
	errno = error;
	tell("close in a vfork child", ret);
}

/* --- the letters --- */

static const struct deed {
	char letter;
	int number; /* what stands for N when none is given */
	void (*perform)(int n);
	const char *meaning;
} deeds[] = {
	{'h', 0, tls_connect, "SSL_connect"},
	{'w', 1, tls_write, "SSL_write of N bytes"},
	{'x', 1, tls_write_ex, "SSL_write_ex of N bytes"},
	{'r', BUFFER, tls_read, "SSL_read of at most N bytes"},
	{'s', BUFFER, tls_read_ex, "SSL_read_ex of at most N bytes"},
	{'p', BUFFER, tls_peek, "SSL_peek of at most N bytes"},
	{'z', 0, tls_read_all, "SSL_read until it fails"},
	{'S', 0, tls_shutdown, "SSL_shutdown"},
	{'F', 0, tls_free, "SSL_free"},
	{'f', 0, tls_free_one, "SSL_free of one reference of several"},
	{'Y', 0, tls_clear, "SSL_clear"},
	{'U', 0, tls_up_ref, "SSL_up_ref"},
	{'Q', 1, tls_quiet, "SSL_set_quiet_shutdown(N)"},
	{'T', SSL_SENT_SHUTDOWN, tls_set_shutdown, "SSL_set_shutdown(N): 1 sent, 2 received"},
	{'G', 0, tls_get_shutdown, "SSL_get_shutdown"},
	{'N', 0, tls_new,
	 "SSL_new and SSL_set_fd on the same descriptor; the session before is left as it is"},
	{'O', 0, tls_context_free, "SSL_CTX_free"},
	{'q', 0, tls_raise, "leave an error in OpenSSL's queue"},
	{'k', 0, tcp_connect, "socket and connect to PORT"},
	{'C', 0, fd_close, "close"},
	{'W', 0, fd_shut_write, "shutdown(SHUT_WR)"},
	{'H', 0, fd_shut_read, "shutdown(SHUT_RD)"},
	{'R', 0, fd_shut_both, "shutdown(SHUT_RDWR)"},
	{'D', 0, fd_dup, "dup"},
	{'j', 0, fd_fcntl_dup, "fcntl(F_DUPFD_CLOEXEC, N)"},
	{'c', 0, fd_close_copy, "close of what the last dup gave"},
	{'d', 0, fd_replace, "dup2 of /dev/null over it"},
	{'Z', 0, fd_replace_wrong,
	 "shutdown, dup2, dup3, close_range on it with arguments that make them fail"},
	{'g', 0, fd_close_range, "close_range of it alone"},
	{'a', 0, fd_closefrom, "closefrom it"},
	{'I', 0, fd_fclose, "fdopen and fclose"},
	{'L', 0, fd_abort, "SO_LINGER {1, N}"},
	{'n', 1, fd_nonblocking, "O_NONBLOCK on (1) or off (0)"},
	{'B', 5, fd_send_plain, "send of N plain bytes beside TLS"},
	{'u', 0, wait_input, "wait until there is something to read"},
	{'e', 0, wait_end, "wait for the peer's FIN"},
	{'t', 0, table, "print the descriptors, or those below N"},
	{'o', 0, make_pair, "socketpair, which takes the lowest free numbers"},
	{'m', 0, look_in_pair, "what has arrived at its far end"},
	{'b', 1023, close_each, "close of 3 to N, one by one"},
	{'l', 3, close_from, "closefrom(N)"},
	{'y', 3, close_all_ranges, "close_range(N, ~0U, 0)"},
	{'M', 1023, dup_over_each, "dup2 onto 3 to N and close, all but the connection"},
	{'J', 0, take_all, "open until EMFILE, print the numbers, close"},
	{'v', 0, close_stderr, "close of stderr"},
	{'i', 1, ignore_pipe, "SIGPIPE ignored (1) or not (0)"},
	{'X', 0, call_exit, "exit(N)"},
	{'E', 0, call__exit, "_exit(N)"},
	{'K', 0, call_quick_exit, "quick_exit(N)"},
	{'A', 0, call_abort, "abort"},
	{'V', 0, vfork_close, "close in a vfork child"},
	{0, 0, NULL, NULL},
};

static const struct deed *deed_of(char c)
{
	const struct deed *deed = deeds;

	while (deed->letter && deed->letter != c)
		deed++;
	return deed->letter ? deed : NULL;
}

static void perform(const char *at, const char *end);

/* P(...): a fork child does what stands in the parentheses and ends by _exit(0). */
static const char *fork_child(const char *at, const char *end)
{
	const char *close = at;
	int depth = 0, status = 0;
	pid_t child;

	do {
		depth += (*close == '(') - (*close == ')');
	} while (depth && ++close < end);
	child = fork();
	if (child == 0) {
		say("P: the child");
		errno = MARK;
		perform(at + 1, close);
		_exit(0);
	}
	waitpid(child, &status, 0);
	errno = MARK;
	say("P: the child's status is %d", status);
	return close + 1;
}

static void perform(const char *at, const char *end)
{
	while (at < end) {
		const struct deed *deed = deed_of(*at);
		char *after;
		long n;

		letter = *at++;
		if (letter == 'P' && *at == '(') {
			at = fork_child(at, end);
			continue;
		}
		n = strtol(at, &after, 10);
		if (after == at || *at == '-' || *at == '+')
			n = deed->number, after = (char *)at;
		at = after;
		errno = MARK;
		deed->perform((int)n);
	}
}

static bool well_formed(const char *string)
{
	int depth = 0;

	for (const char *at = string; *at && depth >= 0; at++) {
		if (*at == 'P' && at[1] == '(')
			depth++, at++;
		else if (*at == ')')
			depth--;
		else if (!deed_of(*at))
			return false;
		else
			at += strspn(at + 1, "0123456789");
	}
	return depth == 0;
}

static void help(void)
{
	printf("Usage: plain_client [--sni NAME] [--before DEEDS] [--no-handshake] [--ignore-eof] PORT "
	       "1.2|1.3 "
	       "BYTES [DEEDS]\n\n"
	       "Connects to 127.0.0.1, shakes hands, writes BYTES bytes, does DEEDS, returns from main.\n"
	       "--ignore-eof: SSL_OP_IGNORE_UNEXPECTED_EOF.\n"
	       "--before: deeds before the connection is made. A letter's N stands after it: w100.\n\n");
	for (const struct deed *deed = deeds; deed->letter; deed++)
		printf("  %c  %s\n", deed->letter, deed->meaning);
	printf("  P(...)  a fork child does what stands there and ends by _exit(0); the parent waits\n");
}

int main(int argc, char **argv)
{
	const char *before = "", *after = "";
	bool handshake = true, ignore_eof = false;
	int version, bytes;

	for (; argc > 1 && strncmp(argv[1], "--", 2) == 0; argc--, argv++) {
		if (strcmp(argv[1], "--help") == 0) {
			help();
			return 0;
		} else if (strcmp(argv[1], "--no-handshake") == 0) {
			handshake = false;
		} else if (strcmp(argv[1], "--ignore-eof") == 0) {
			ignore_eof = true;
		} else if (argc > 2 && strcmp(argv[1], "--sni") == 0) {
			sni = argv[2];
			argc--, argv++;
		} else if (argc > 2 && strcmp(argv[1], "--before") == 0) {
			before = argv[2];
			argc--, argv++;
		}
	}
	if (argc > 4)
		after = argv[4];
	if (argc < 4 || !well_formed(before) || !well_formed(after)) {
		fprintf(stderr, "plain_client: these arguments make no sense; try --help\n");
		return 2;
	}
	port = atoi(argv[1]);
	version = strcmp(argv[2], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
	bytes = atoi(argv[3]);

	perform(before, before + strlen(before));
	letter = '-';
	context = SSL_CTX_new(TLS_client_method());
	if (!context || !SSL_CTX_set_min_proto_version(context, version) ||
	    !SSL_CTX_set_max_proto_version(context, version))
		die("SSL_CTX_new");
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	if (ignore_eof)
		SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
#else
	(void)ignore_eof;
#endif
	errno = MARK;
	tcp_connect(0);
	tls_new(0);
	if (handshake)
		tls_connect(0);
	if (handshake && !SSL_is_init_finished(ssl))
		die("handshake");
	if (handshake && bytes)
		tls_write(bytes);
	perform(after, after + strlen(after));
	return 0;
}
