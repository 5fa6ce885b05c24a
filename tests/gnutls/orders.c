/* SPDX-License-Identifier: MIT
 * One side of a TLS connection over GnuTLS, client or server, that does what a string of letters says, as programs/party.c does
 * over OpenSSL. For random programs (tests/agreement). */
#include "party.h"

#include "deeds.h"

static struct party p;
static const char *style, *flags;
static struct party_pipe pipe_of_own;

static bool has(char flag)
{
	return strchr(flags, flag);
}

static bool lives(void)
{
	return p.session;
}

static bool is(const char *name)
{
	return !strcmp(style, name);
}

static bool again(long ret)
{
	return ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED;
}

/* True if there is something to be read, or has been within that time. */
static bool comes(int ms)
{
	struct pollfd input = {.fd = r.fd, .events = POLLIN};

	return gnutls_record_check_pending(p.session) || poll(&input, 1, ms) > 0;
}

static void set_transport(void)
{
	if (is("push") || is("vec_push")) {
		pipe_of_own.fd = r.fd;
		gnutls_transport_set_ptr(p.session, &pipe_of_own);
		gnutls_transport_set_pull_function(p.session, party_pull);
		if (is("push"))
			gnutls_transport_set_push_function(p.session, party_push);
		else
			gnutls_transport_set_vec_push_function(p.session, party_vec_push);
	} else if (is("two")) {
		gnutls_transport_set_int2(p.session, r.fd, fcntl(r.fd, F_DUPFD_CLOEXEC, 100));
	} else {
		gnutls_transport_set_int(p.session, r.fd);
	}
}

static void shake_hands(void)
{
	int ret;

	while ((ret = gnutls_handshake(p.session)) < 0 && !gnutls_error_is_fatal(ret))
		comes(1000);
	if (ret)
		party_fail("handshake", ret);
}

/* --- deeds --- */

static void read_some(int n)
{
	char bytes[16384];

	if (comes(50))
		gnutls_record_recv(p.session, bytes, (size_t)n < sizeof(bytes) ? (size_t)n : sizeof(bytes));
}

static void read_all(int n)
{
	char bytes[16384];
	ssize_t ret;

	(void)n;
	do {
		ret = gnutls_record_recv(p.session, bytes, sizeof(bytes));
	} while (ret > 0 || (again(ret) && comes(2000)));
}

static void write_some(int n)
{
	static char bytes[1 << 20];

	gnutls_record_send(p.session, bytes, (size_t)n);
}

static void cork(int n)
{
	if (n)
		gnutls_record_cork(p.session);
	else
		gnutls_record_uncork(p.session, 0);
}

/* In both directions it would wait for a peer that may wait itself. */
static void say_goodbye(int n)
{
	int old = fcntl(r.fd, F_GETFL);

	if (!n)
		nonblocking(1);
	gnutls_bye(p.session, n ? GNUTLS_SHUT_WR : GNUTLS_SHUT_RDWR);
	fcntl(r.fd, F_SETFL, old);
}

static void send_alert(int n)
{
	if (n)
		gnutls_alert_send(p.session, GNUTLS_AL_FATAL, GNUTLS_A_INTERNAL_ERROR);
	else
		gnutls_alert_send(p.session, GNUTLS_AL_WARNING, GNUTLS_A_CLOSE_NOTIFY);
}

static void free_session(int n)
{
	(void)n;
	gnutls_deinit(p.session);
	p.session = NULL;
}

/* New keys, the peer's too if N is 1; TLS 1.2: another handshake, begun or asked for. */
static void new_keys(int n)
{
	int old = fcntl(r.fd, F_GETFL);

	fcntl(r.fd, F_SETFL, O_NONBLOCK);
	if (gnutls_protocol_get_version(p.session) == GNUTLS_TLS1_3)
		gnutls_session_key_update(p.session, n ? GNUTLS_KU_PEER : 0);
	else if (r.server)
		gnutls_rehandshake(p.session);
	else
		gnutls_handshake(p.session);
	fcntl(r.fd, F_SETFL, old);
}

static void send_ticket(int n)
{
	if (r.server && gnutls_protocol_get_version(p.session) == GNUTLS_TLS1_3)
		gnutls_session_ticket_send(p.session, (unsigned int)n, 0);
}

static void another_push(int n)
{
	(void)n;
	if (is("push"))
		gnutls_transport_set_vec_push_function(p.session, party_vec_push);
}

/* A child that vanishes (0), exits (1), or ends what it has inherited and exits (2). */
static void fork_child(int n)
{
	pid_t child = fork();

	if (child) {
		waitpid(child, &n, 0);
		return;
	}
	if (n == 2 && p.session)
		gnutls_deinit(p.session);
	if (n == 2)
		close(r.fd);
	if (n)
		exit(0);
	rude_vanish();
}

static const struct deed deeds[] = {
	{'r', 's', 100, read_some, "gnutls_record_recv of at most N bytes, if there is something"},
	{'z', 's', 0, read_all, "gnutls_record_recv until it fails"},
	{'w', 's', 1, write_some, "gnutls_record_send of N bytes; 0: go on with the last"},
	{'O', 's', 1, cork, "gnutls_record_cork; 0: uncork"},
	{'S', 's', 1, say_goodbye, "gnutls_bye(SHUT_WR); 0: SHUT_RDWR"},
	{'A', 's', 0, send_alert, "gnutls_alert_send: close_notify; 1: a fatal one"},
	{'F', 's', 0, free_session, "gnutls_deinit"},
	{'K', 's', 0, new_keys, "key update, of the peer's too if N is 1; TLS 1.2: another handshake"},
	{'t', 's', 1, send_ticket, "gnutls_session_ticket_send of N tickets"},
	{'P', 's', 0, another_push, "another push function (push)"},
	{'k', 0, 0, fork_child, "a child that vanishes; 1: exits; 2: ends all that it has inherited"},
	DEEDS_WITHOUT_TLS,
	{0},
};

static int help(void)
{
	puts("Usage: orders PORT TLS N STYLE FLAGS DEEDS\n\n"
	     "PORT, TLS, N as for the rude programs (PORT 0: be the server, print \"listening PORT\").\n"
	     "STYLE  socket, two (another descriptor to write), push, vec_push (functions of its own)\n"
	     "FLAGS  letters, - for none: r GNUTLS_AUTO_REAUTH, q GNUTLS_NO_SIGNAL, s the handshake may "
	     "return\n"
	     "       early, n O_NONBLOCK from the start");
	tell_deeds(deeds);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return argc > 1 && !strcmp(argv[1], "--help") ? help() : 2;
	signal(SIGPIPE, SIG_IGN);
	style = argv[4];
	flags = argv[5];
	p = party_connect(argc, argv);
	r = p.r;
	if (has('r'))
		p.flags |= GNUTLS_AUTO_REAUTH;
	if (has('q'))
		p.flags |= GNUTLS_NO_SIGNAL;
	if (has('s'))
		p.flags |= r.server ? GNUTLS_ENABLE_EARLY_START : GNUTLS_ENABLE_FALSE_START;
	party_session(&p);
	if (has('n'))
		nonblocking(1);
	set_transport();
	shake_hands();
	if (r.n)
		write_some(r.n);
	perform(deeds, argv[6], lives);
	return 0;
}
