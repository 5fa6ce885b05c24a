/* SPDX-License-Identifier: MIT
 * What is not done with: both ends in one process, and one of them stops in the middle of something; gnutls_deinit, close. Prints
 * of each case the TLS records (by their type) that the other one got before that and because of it.
 *
 *     unfinished [CASE]    CASE: some words of the only one to be played */
#include "party.h"

enum { CLIENT, SERVER };

struct pair {
	gnutls_session_t session[2];
	int fd[2];
};

static struct party certified = {.r.server = true};
static gnutls_certificate_credentials_t bare;
static gnutls_datum_t ticket_key, resumed;
static gnutls_anti_replay_t replays;

static void must(long error, const char *what)
{
	if (error < 0)
		party_fail(what, error);
}

static void must_wait(long error, const char *what)
{
	if (error != GNUTLS_E_AGAIN)
		party_fail(what, error);
}

static gnutls_session_t one_end(bool server, const char *versions, unsigned int flags, int fd)
{
	gnutls_session_t session;
	char priority[64];

	snprintf(priority, sizeof(priority), "NORMAL:-VERS-ALL:+VERS-TLS%s", versions);
	must(gnutls_init(&session, flags | GNUTLS_NONBLOCK | (server ? GNUTLS_SERVER : GNUTLS_CLIENT)),
	     "init");
	must(gnutls_priority_set_direct(session, priority, NULL), priority);
	must(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, server ? certified.credentials : bare),
	     "credentials");
	if (server)
		must(gnutls_session_ticket_enable_server(session, &ticket_key), "tickets");
	gnutls_transport_set_int(session, fd);
	return session;
}

static struct pair begin(const char *versions, unsigned int client_flags, unsigned int server_flags)
{
	struct pair p;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.fd))
		rude_fail("socketpair");
	p.session[CLIENT] = one_end(false, versions, client_flags, p.fd[CLIENT]);
	p.session[SERVER] = one_end(true, versions, server_flags, p.fd[SERVER]);
	return p;
}

static struct pair meet(const char *versions, unsigned int client_flags, unsigned int server_flags)
{
	struct pair p = begin(versions, client_flags, server_flags);
	int ret[2] = {GNUTLS_E_AGAIN, GNUTLS_E_AGAIN};
	char byte;

	while (ret[CLIENT] == GNUTLS_E_AGAIN || ret[SERVER] == GNUTLS_E_AGAIN)
		for (int who = CLIENT; who <= SERVER; who++)
			if (ret[who])
				must((ret[who] = gnutls_handshake(p.session[who])) == GNUTLS_E_AGAIN
					     ? 0
					     : ret[who],
				     "handshake");
	while (recv(p.fd[CLIENT], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
		must_wait(gnutls_record_recv(p.session[CLIENT], &byte, 1), "tickets");
	return p;
}

/* Of the bytes that have come; then whether it is the end. */
static void tell_records(int fd)
{
	unsigned char bytes[1 << 16];
	ssize_t got = 0, part;

	while (got < (ssize_t)sizeof(bytes) &&
	       (part = recv(fd, bytes + got, sizeof(bytes) - (size_t)got, MSG_DONTWAIT)) > 0)
		got += part;
	for (ssize_t at = 0; at + 5 <= got; at += 5 + (bytes[at + 3] << 8 | bytes[at + 4]))
		printf(" %d", bytes[at]);
	printf("%s", got ? "" : " none");
}

static void ends(struct pair *p, int who)
{
	char rest[1 << 16];

	tell_records(p->fd[!who]);
	while (recv(p->fd[who], rest, sizeof(rest), MSG_DONTWAIT) > 0)
		; /* else close would reset */
	gnutls_deinit(p->session[who]);
	close(p->fd[who]);
	printf(", then");
	tell_records(p->fd[!who]);
	printf("\n");
	gnutls_deinit(p->session[!who]);
	close(p->fd[!who]);
}

/* From now on the socket has no room; what is in it is a record of its session's. */
static void stall(struct pair *p, int who)
{
	static const char bytes[10000];
	int full = 0;

	if (gnutls_record_send(p->session[who], bytes, sizeof(bytes)) != sizeof(bytes))
		rude_fail("send");
	ioctl(p->fd[who], SIOCOUTQ, &full);
	full /= 2; /* the kernel doubles it */
	setsockopt(p->fd[who], SOL_SOCKET, SO_SNDBUF, &full, sizeof(full));
}

/* --- the cases --- */

static void nothing(void)
{
	struct pair p = meet("1.3", 0, 0);

	ends(&p, CLIENT);
}

static void before_handshake(void)
{
	struct pair p = begin("1.3", 0, 0);

	ends(&p, CLIENT);
}

static void after_hello(void)
{
	struct pair p = begin("1.3", 0, 0);

	must_wait(gnutls_handshake(p.session[CLIENT]), "hello");
	ends(&p, CLIENT);
}

static void after_answer(const char *versions)
{
	struct pair p = begin(versions, 0, 0);

	must_wait(gnutls_handshake(p.session[CLIENT]), "hello");
	must_wait(gnutls_handshake(p.session[SERVER]), "answer");
	ends(&p, SERVER);
}

static void after_answer_new(void)
{
	after_answer("1.3");
}

static void after_answer_old(void)
{
	after_answer("1.2");
}

static int remember_none(void *unused, time_t expires, const gnutls_datum_t *key, const gnutls_datum_t *data)
{
	(void)unused, (void)expires, (void)key, (void)data;
	return 0;
}

/* A session whose ticket allows early data is resumed, with such. */
static struct pair send_early(void)
{
	struct pair p = meet("1.3", GNUTLS_ENABLE_EARLY_DATA, GNUTLS_ENABLE_EARLY_DATA);

	must(gnutls_session_get_data2(p.session[CLIENT], &resumed), "resumption");
	for (int who = CLIENT; who <= SERVER; who++)
		must(gnutls_bye(p.session[who], GNUTLS_SHUT_WR), "bye");
	for (int who = CLIENT; who <= SERVER; who++) {
		gnutls_deinit(p.session[who]);
		close(p.fd[who]);
	}
	must(gnutls_anti_replay_init(&replays), "anti-replay");
	gnutls_anti_replay_set_add_function(replays, remember_none);
	p = begin("1.3", GNUTLS_ENABLE_EARLY_DATA, GNUTLS_ENABLE_EARLY_DATA);
	gnutls_anti_replay_enable(p.session[SERVER], replays);
	must(gnutls_session_set_data(p.session[CLIENT], resumed.data, resumed.size), "resumed");
	must(gnutls_record_send_early_data(p.session[CLIENT], "early", 5), "early data");
	must_wait(gnutls_handshake(p.session[CLIENT]), "hello");
	return p;
}

static void early_sent(void)
{
	struct pair p = send_early();

	ends(&p, CLIENT);
}

static void early_got(void)
{
	struct pair p = send_early();

	must_wait(gnutls_handshake(p.session[SERVER]), "answer");
	ends(&p, SERVER);
}

static struct pair ask_for_certificate(unsigned int more)
{
	struct pair p = meet("1.3", GNUTLS_POST_HANDSHAKE_AUTH | more, GNUTLS_POST_HANDSHAKE_AUTH);

	gnutls_certificate_server_set_request(p.session[SERVER], GNUTLS_CERT_REQUEST);
	must_wait(gnutls_reauth(p.session[SERVER], 0), "reauth");
	return p;
}

static void reauth_asked(void)
{
	struct pair p = ask_for_certificate(0);

	ends(&p, SERVER);
}

/* The client's bytes come first; then gnutls_reauth is to be called again. */
static void reauth_interrupted(void)
{
	struct pair p = ask_for_certificate(0);
	char bytes[10];

	must(gnutls_record_send(p.session[CLIENT], "a", 1), "send");
	if (gnutls_reauth(p.session[SERVER], 0) != GNUTLS_E_GOT_APPLICATION_DATA)
		rude_fail("application data");
	must(gnutls_record_recv(p.session[SERVER], bytes, sizeof(bytes)), "recv");
	ends(&p, SERVER);
}

static void reauth_begun(void)
{
	struct pair p = ask_for_certificate(0);
	char byte;

	stall(&p, CLIENT);
	if (gnutls_record_recv(p.session[CLIENT], &byte, 1) != GNUTLS_E_REAUTH_REQUEST)
		rude_fail("reauth request");
	must_wait(gnutls_reauth(p.session[CLIENT], 0), "certificate");
	ends(&p, CLIENT);
}

static void reauth_within_read(void)
{
	struct pair p = ask_for_certificate(GNUTLS_AUTO_REAUTH);
	char byte;

	stall(&p, CLIENT);
	must_wait(gnutls_record_recv(p.session[CLIENT], &byte, 1), "certificate");
	ends(&p, CLIENT);
}

static void rehandshake_within_read(void)
{
	struct pair p = meet("1.2", GNUTLS_AUTO_REAUTH, 0);
	char byte;

	must(gnutls_rehandshake(p.session[SERVER]), "rehandshake");
	must_wait(gnutls_record_recv(p.session[CLIENT], &byte, 1), "hello request");
	must_wait(gnutls_record_recv(p.session[CLIENT], &byte, 1), "hello");
	ends(&p, CLIENT);
}

static struct pair ask_again(void)
{
	struct pair p = meet("1.2", 0, 0);
	char byte;

	must(gnutls_rehandshake(p.session[SERVER]), "rehandshake");
	if (gnutls_record_recv(p.session[CLIENT], &byte, 1) != GNUTLS_E_REHANDSHAKE)
		rude_fail("hello request");
	must_wait(gnutls_handshake(p.session[CLIENT]), "hello");
	return p;
}

static void rehandshake_begun(void)
{
	struct pair p = ask_again();

	ends(&p, CLIENT);
}

static void rehandshake_answered(void)
{
	struct pair p = ask_again();
	char byte;

	if (gnutls_record_recv(p.session[SERVER], &byte, 1) != GNUTLS_E_REHANDSHAKE)
		rude_fail("hello");
	must_wait(gnutls_handshake(p.session[SERVER]), "answer");
	ends(&p, SERVER);
}

static void tickets(void)
{
	struct pair p = meet("1.3", 0, 0);

	stall(&p, SERVER);
	must_wait(gnutls_session_ticket_send(p.session[SERVER], 1, 0), "ticket");
	ends(&p, SERVER);
}

static const struct {
	const char *name;
	void (*play)(void);
} cases[] = {
	{"nothing", nothing},
	{"before the handshake", before_handshake},
	{"the client's hello", after_hello},
	{"the server's answer", after_answer_new},
	{"the server's answer, TLS 1.2", after_answer_old},
	{"early data, sent", early_sent},
	{"early data, received", early_got},
	{"authentication, asked for", reauth_asked},
	{"authentication, the client's bytes came first", reauth_interrupted},
	{"authentication, begun", reauth_begun},
	{"authentication within a read, begun", reauth_within_read},
	{"another handshake within a read, begun", rehandshake_within_read},
	{"another handshake, begun", rehandshake_begun},
	{"another handshake, answered", rehandshake_answered},
	{"a ticket", tickets},
};

int main(int argc, char **argv)
{
	party_credentials(&certified);
	must(gnutls_certificate_allocate_credentials(&bare), "credentials");
	must(gnutls_session_ticket_key_generate(&ticket_key), "key");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (argc > 1 && !strstr(cases[i].name, argv[1]))
			continue;
		printf("%s:", cases[i].name);
		fflush(stdout);
		cases[i].play();
	}
	return 0;
}
