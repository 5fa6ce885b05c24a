// SPDX-License-Identifier: MIT
/* The judge's command line. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "judge.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const first_names[] = {
	[FIRST_NOTHING] = "nothing",
	[FIRST_CLOSE_NOTIFY] = "close_notify",
	[FIRST_FIN] = "fin",
	[FIRST_RST] = "rst",
	[FIRST_BOTH] = "both",
	[FIRST_FATAL] = "fatal",
	[FIRST_HALF_RECORD] = "half_record",
	[FIRST_RECORD_HEADER] = "record_header",
	[FIRST_CORRUPT_RECORD] = "corrupt_record",
	[FIRST_TWO_CLOSE_NOTIFY] = "two_close_notify",
	[FIRST_DATA_AFTER] = "data_after_close_notify",
	[FIRST_CLOSE_NOTIFY_RST] = "close_notify_rst",
	NULL,
};

const char *const when_names[] = {"handshake", "request", "eof", NULL};
const char *const tls_names[] = {"1.2", "1.3", NULL};

struct options opt = {
	.server = false,
	.tls13 = 1,
	.connections = 1,
	.repeat = 1,
	.tickets = -1,
	.timeout_ms = 60000,
	.accept_timeout_ms = 60000,
};

void __attribute__((noreturn, format(printf, 2, 3))) die(int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("judge: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(status);
}

void __attribute__((noreturn)) die_openssl(const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	die(EXIT_BROKEN, "%s: %s", what, reason ? reason : "OpenSSL gives no reason");
}

void __attribute__((noreturn)) die_errno(const char *what)
{
	die(EXIT_BROKEN, "%s: %s", what, strerror(errno));
}

enum role { SERVER = 1, CLIENT = 2, EITHER = SERVER | CLIENT };

enum option_code {
	O_HELP = 256,
	O_TLS,
	O_CERT,
	O_KEY,
	O_PORT,
	O_CONNECTIONS,
	O_REPEAT,
	O_TIMEOUT,
	O_ACCEPT_TIMEOUT,
	O_NO_TICKETS,
	O_SESSION_IDS,
	O_TICKETS,
	O_SNI,
	O_SESSION_FILE,
	O_REQUEST,
	O_SEND,
	O_SEND_WHEN,
	O_HTTP,
	O_NO_LENGTH,
	O_FIRST,
	O_FIRST_AFTER,
	O_SILENT_END,
	O_LINGER_OPEN,
	O_READ_PAUSE,
	O_SKIP,
	O_RCVBUF,
	O_NEVER_READ,
	O_IPV6,
	O_MPTCP,
	O_GROUPS,
	O_ASK_CERTIFICATE,
	O_RENEGOTIATE,
};

static const struct {
	const char *name, *argument;
	enum role role;
	enum option_code code;
	const char *help;
} options[] = {
	{"help", NULL, EITHER, O_HELP, "show this"},
	{"tls", "1.2|1.3", EITHER, O_TLS, "the one version spoken (1.3)"},
	{"cert", "FILE", EITHER, O_CERT, "certificate chain, PEM; a client's for a server that asks"},
	{"key", "FILE", EITHER, O_KEY, "private key, PEM"},
	{"port", "N", EITHER, O_PORT, "port (server: 0, the kernel chooses)"},
	{"connections", "N", EITHER, O_CONNECTIONS, "how many to judge; server: side by side (1)"},
	{"repeat", "N", CLIENT, O_REPEAT, "N connections in a row, each resuming the one before (1)"},
	{"timeout-ms", "N", EITHER, O_TIMEOUT, "longest life of a connection (60000)"},
	{"accept-timeout-ms", "N", SERVER, O_ACCEPT_TIMEOUT, "longest time without any connection (60000)"},
	{"no-tickets", NULL, SERVER, O_NO_TICKETS, "no session tickets, no resumption"},
	{"session-ids", NULL, SERVER, O_SESSION_IDS, "TLS 1.2: session ids instead of tickets"},
	{"tickets", "N", SERVER, O_TICKETS, "TLS 1.3: how many tickets"},
	{"sni", "NAME", CLIENT, O_SNI, "server name to ask for"},
	{"session-file", "FILE", CLIENT, O_SESSION_FILE,
	 "resume from it if it exists; keep the session in it"},
	{"request", "STRING", EITHER, O_REQUEST, "sent after the handshake; escapes \\r \\n \\t \\0 \\\\"},
	{"send", "BYTES", EITHER, O_SEND, "send so many bytes, a to z over and over"},
	{"send-when", "WHEN", EITHER, O_SEND_WHEN, "handshake, request (first data came), eof (peer ended)"},
	{"http", "BODYBYTES", EITHER, O_HTTP, "answer a request head with HTTP/1.0 200 and such a body"},
	{"no-length", NULL, EITHER, O_NO_LENGTH, "--http without Content-Length"},
	{"first", "WHAT", EITHER, O_FIRST, "end first, once all is sent; WHAT is one of the list below"},
	{"first-after", "BYTES", EITHER, O_FIRST_AFTER,
	 "but not before so many bytes came from the peer (0)"},
	{"silent-end", NULL, EITHER, O_SILENT_END, "no close_notify, no FIN in answer to the peer's end"},
	{"linger-open-ms", "N", EITHER, O_LINGER_OPEN, "keep the socket so long after the peer's FIN (0)"},
	{"skip", "N", EITHER, O_SKIP, "so many bytes of plain text come before TLS (0)"},
	{"read-pause-ms", "N", EITHER, O_READ_PAUSE, "wait between reads of at most 16384 bytes (0)"},
	{"rcvbuf", "BYTES", EITHER, O_RCVBUF, "SO_RCVBUF before listen or connect"},
	{"never-read", NULL, EITHER, O_NEVER_READ,
	 "no reads after the handshake until the peer's FIN or RST is there"},
	{"ipv6", NULL, EITHER, O_IPV6, "on ::1 and not on 127.0.0.1"},
	{"mptcp", NULL, EITHER, O_MPTCP, "Multipath TCP"},
	{"groups", "LIST", EITHER, O_GROUPS,
	 "key exchange groups; a server's P-384:P-256 make it send HelloRetryRequest"},
	{"ask-certificate", NULL, SERVER, O_ASK_CERTIFICATE, "ask the client for a certificate; any will do"},
	{"renegotiate", NULL, EITHER, O_RENEGOTIATE, "TLS 1.2: take part in a renegotiation"},
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))

static void show_help(void)
{
	char left[48];
	size_t i;

	puts("Usage: judge server --cert FILE --key FILE [options]\n"
	     "       judge client --port N [options]\n\n"
	     "A TLS peer that tells how the other side ended: one JSON line for each connection.\n"
	     "The server prints 'listening PORT' first. All on the loopback address; certificates aren't "
	     "verified.\n");
	for (i = 0; i < OPTIONS; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", options[i].name, options[i].argument ? " " : "",
			 options[i].argument ? options[i].argument : "");
		printf("  %-24s %s%s\n", left, options[i].help,
		       options[i].role == SERVER   ? " [server]"
		       : options[i].role == CLIENT ? " [client]"
						   : "");
	}
	puts("\nWHAT: close_notify   the alert, TCP stays open       fin   FIN without the alert\n"
	     "      both           the alert, then FIN             rst   RST\n"
	     "      fatal          a fatal alert, then FIN         close_notify_rst\n"
	     "      half_record    half a data record, then FIN    corrupt_record\n"
	     "      record_header  that of a data record, then FIN\n"
	     "      two_close_notify   data_after_close_notify     (each then FIN)\n\n"
	     "Verdicts: closed (one close_notify, then FIN, nothing else between), unclean (close_notify and "
	     "FIN, but\n"
	     "more besides), truncated (FIN alone), reset, aborted (fatal alert, no close_notify before "
	     "it),\n"
	     "no_handshake, timeout,\n"
	     "open (the judge's own RST came first).\n\n"
	     "SIGUSR1: now is the time for --first, or to linger open no longer; without either, to give "
	     "up.\n\n"
	     "Exit status: 0 all were judged, 1 internal failure, 2 usage.");
}

static uint64_t number(const char *name, const char *text, uint64_t low, uint64_t high)
{
	unsigned long long value;
	char *rest;

	errno = 0;
	value = strtoull(text, &rest, 10);
	if (errno || *text < '0' || *text > '9' || *rest || value < low || value > high)
		die(EXIT_USAGE, "--%s '%s': accepted is a number from %" PRIu64 " to %" PRIu64, name, text,
		    low, high);
	return value;
}

static int small_number(const char *name, const char *text, int low, int high)
{
	return (int)number(name, text, (uint64_t)low, (uint64_t)high);
}

static int word(const char *name, const char *text, const char *const *accepted)
{
	char list[256] = "";
	size_t used = 0;
	int i;

	for (i = 0; accepted[i]; i++)
		if (!strcmp(text, accepted[i]))
			return i;
	for (i = 0; accepted[i]; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 accepted[i]);
	die(EXIT_USAGE, "--%s '%s': accepted is one of %s", name, text, list);
}

static char *unescape(const char *name, const char *text, size_t *size)
{
	static const char codes[] = "rnt\\0", bytes[] = "\r\n\t\\\0";
	char *out = malloc(strlen(text) + 1), *to = out;
	const char *code;

	if (!out)
		die_errno("malloc");
	for (; *text; text++) {
		if (*text != '\\') {
			*to++ = *text;
			continue;
		}
		code = text[1] ? strchr(codes, *++text) : NULL;
		if (!code)
			die(EXIT_USAGE, "--%s: a backslash is accepted only in \\r \\n \\t \\0 \\\\", name);
		*to++ = bytes[code - codes];
	}
	*size = (size_t)(to - out);
	return out;
}

static void set_option(int code, const char *name, const char *arg)
{
	static const uint64_t most_bytes = UINT64_C(1) << 40;
	static const int most_ms = 3600000;

	switch ((enum option_code)code) {
	case O_HELP:
		show_help();
		exit(EXIT_JUDGED);
	case O_TLS:
		opt.tls13 = word(name, arg, tls_names);
		break;
	case O_CERT:
		opt.cert = arg;
		break;
	case O_KEY:
		opt.key = arg;
		break;
	case O_PORT:
		opt.port = small_number(name, arg, opt.server ? 0 : 1, 65535);
		break;
	case O_CONNECTIONS:
		opt.connections = small_number(name, arg, 1, 10000);
		break;
	case O_REPEAT:
		opt.repeat = small_number(name, arg, 1, 10000);
		break;
	case O_TIMEOUT:
		opt.timeout_ms = small_number(name, arg, 1, most_ms);
		break;
	case O_ACCEPT_TIMEOUT:
		opt.accept_timeout_ms = small_number(name, arg, 1, most_ms);
		break;
	case O_NO_TICKETS:
		opt.tickets = 0;
		break;
	case O_SESSION_IDS:
		opt.session_ids = true;
		break;
	case O_TICKETS:
		opt.tickets = small_number(name, arg, 0, 1000);
		break;
	case O_SNI:
		opt.sni = arg;
		break;
	case O_SESSION_FILE:
		opt.session_file = arg;
		break;
	case O_REQUEST:
		free(opt.request);
		opt.request = unescape(name, arg, &opt.request_size);
		break;
	case O_SEND:
		opt.body_size = number(name, arg, 0, most_bytes);
		break;
	case O_SEND_WHEN:
		opt.when = word(name, arg, when_names);
		break;
	case O_HTTP:
		opt.has_http = true;
		opt.http_size = number(name, arg, 0, most_bytes);
		break;
	case O_NO_LENGTH:
		opt.no_length = true;
		break;
	case O_FIRST:
		opt.first = word(name, arg, first_names);
		break;
	case O_FIRST_AFTER:
		opt.first_after = number(name, arg, 0, most_bytes);
		break;
	case O_SILENT_END:
		opt.silent_end = true;
		break;
	case O_LINGER_OPEN:
		opt.linger_open_ms = small_number(name, arg, 0, most_ms);
		break;
	case O_SKIP:
		opt.skip = small_number(name, arg, 0, 1 << 20);
		break;
	case O_READ_PAUSE:
		opt.read_pause_ms = small_number(name, arg, 0, most_ms);
		break;
	case O_RCVBUF:
		opt.rcvbuf = small_number(name, arg, 1, INT_MAX);
		break;
	case O_NEVER_READ:
		opt.never_read = true;
		break;
	case O_IPV6:
		opt.ipv6 = true;
		break;
	case O_MPTCP:
		opt.mptcp = true;
		break;
	case O_GROUPS:
		opt.groups = arg;
		break;
	case O_ASK_CERTIFICATE:
		opt.ask_certificate = true;
		break;
	case O_RENEGOTIATE:
		opt.renegotiate = true;
		break;
	}
}

static void check_options(void)
{
	char length[48] = "";

	if (opt.server && (!opt.cert || !opt.key))
		die(EXIT_USAGE, "server: --cert FILE and --key FILE are required");
	if (!opt.server && !opt.port)
		die(EXIT_USAGE, "client: --port N is required, a number from 1 to 65535");
	if (opt.session_ids && opt.tls13)
		die(EXIT_USAGE, "--session-ids: accepted only with --tls 1.2");
	if (opt.no_length && !opt.has_http)
		die(EXIT_USAGE, "--no-length: accepted only with --http");
	if (opt.has_http && (opt.body_size || opt.when != WHEN_HANDSHAKE))
		die(EXIT_USAGE, "--http: not accepted with --send or --send-when");
	if (!opt.has_http)
		return;
	opt.when = WHEN_HTTP;
	opt.body_size = opt.http_size;
	if (!opt.no_length)
		snprintf(length, sizeof(length), "Content-Length: %" PRIu64 "\r\n", opt.http_size);
	opt.head_size = (size_t)snprintf(
		opt.head, sizeof(opt.head),
		"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n%sConnection: close\r\n\r\n", length);
}

void parse(int argc, char **argv)
{
	struct option longs[OPTIONS + 1];
	enum role role;
	int code, at;
	size_t i;

	if (argc > 1 && !strcmp(argv[1], "--help"))
		set_option(O_HELP, "help", NULL);
	if (argc < 2 || (strcmp(argv[1], "server") && strcmp(argv[1], "client")))
		die(EXIT_USAGE, "'%s': accepted is server or client, then options; see judge --help",
		    argc < 2 ? "" : argv[1]);
	opt.server = !strcmp(argv[1], "server");
	role = opt.server ? SERVER : CLIENT;

	memset(longs, 0, sizeof(longs));
	for (i = 0; i < OPTIONS; i++) {
		longs[i].name = options[i].name;
		longs[i].has_arg = options[i].argument ? required_argument : no_argument;
		longs[i].val = (int)options[i].code;
	}
	optind = 2;
	while ((code = getopt_long(argc, argv, "+:", longs, &at)) != -1) {
		if (code == ':')
			die(EXIT_USAGE, "'%s': a value is required; see judge --help", argv[optind - 1]);
		if (code == '?')
			die(EXIT_USAGE,
			    "'%s': no such option, or a value where none is accepted; see judge --help",
			    argv[optind - 1]);
		if (!(options[at].role & role))
			die(EXIT_USAGE, "--%s: accepted only by judge %s", options[at].name,
			    opt.server ? "client" : "server");
		set_option(code, options[at].name, optarg);
	}
	if (optind < argc)
		die(EXIT_USAGE, "'%s': only options are accepted; see judge --help", argv[optind]);
	check_options();
}
