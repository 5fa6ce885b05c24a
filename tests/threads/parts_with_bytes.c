/* SPDX-License-Identifier: MIT
 * Writes N bytes to a peer that is slow to read them, ends the connection in one of many orders, and is gone at once, in one
 * of many ways.
 *
 *     parts_with_bytes PORT TLS N ORDER GONE [ipv6|mptcp]
 *
 * ORDER, steps joined by "+": free, say (SSL_shutdown), shut_wr, shut_rdwr, close; leave: nothing of that; reads: another thread sleeps
 * in recv(), woken: waits for that thread; unread: until bytes have come, which stay unread; stamps: errors of its own wait on the
 * socket (TX timestamps); moves: to another network namespace; second: makes one more connection,
 * swap: goes on with that; again: the same socket is connected once more, for another session; flushed: until all is acknowledged; over: until both sides have sent FIN; abort, abort_by_number: SO_LINGER {on, 0}, by
 * setsockopt() or by syscall(); patient: SO_LINGER with a minute; drops, regains: CAP_NET_ADMIN; lends: a child by vfork has been; mark: a getppid(), for a trace. GONE: exits, _exits, killed (SIGKILL), exec (becomes another program), crashes (in an atexit handler from before TLS),
 * cancelled, thrd_exits: the main thread, before another and with words in stdio's buffer; alone (lives until no other thread does). */
#include "rude.h"

#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <threads.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static int tcp(const struct rude *r, const char *family)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_addr = in6addr_loopback,
				  .sin6_port = htons((uint16_t)atoi(r->port))};
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)atoi(r->port))};
	bool six = !strcmp(family, "ipv6");
	int fd;

	if (r->server)
		return rude_tcp(r);
	fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, strcmp(family, "mptcp") ? 0 : IPPROTO_MPTCP);

	if (connect(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, six ? sizeof(v6) : sizeof(v4)))
		rude_fail("connect");
	return fd;
}

static void crash(void)
{
	raise(SIGSEGV);
}

static void *reader(void *argument)
{
	char byte;

	recv(*(int *)argument, &byte, 1, MSG_PEEK);
	return argument;
}

static void wait_for_input(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	poll(&ready, 1, -1);
}

static void ask_for_stamps(int fd)
{
	int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY |
		    SOF_TIMESTAMPING_OPT_ID;

	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags)))
		rude_fail("SO_TIMESTAMPING");
}

static void wait_until_over(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	while (info.tcpi_state != TCP_CLOSE) {
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size))
			rude_fail("TCP_INFO");
	}
}

static void ask_for_reset(int fd, bool by_number)
{
	struct linger linger = {.l_onoff = 1};

	if (by_number)
		syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	else
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static __attribute__((noinline)) void lend_memory(void)
{
	pid_t child = vfork();

	if (!child)
		_exit(0);
	rude_wait_for(child);
}

static void connect_again(struct rude *r)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	if (getpeername(r->fd, (struct sockaddr *)&address, &size) ||
	    connect(r->fd, &nowhere, sizeof(nowhere)) ||
	    connect(r->fd, (struct sockaddr *)&address, sizeof(address)))
		rude_fail("connect");
	rude_speak(r);
}

static void *outlives_main(void *main_thread)
{
	while (pthread_tryjoin_np(*(pthread_t *)main_thread, NULL) == EBUSY)
		sched_yield();
	return NULL;
}

static void end_main(bool cancelled)
{
	static pthread_t self;
	pthread_t other;

	self = pthread_self();
	setvbuf(stdout, NULL, _IOFBF, 4096);
	printf("the last word\n");
	if (pthread_create(&other, NULL, outlives_main, &self))
		rude_fail("pthread_create");
	if (!cancelled)
		thrd_exit(0);
	pthread_cancel(self);
	pthread_testcancel();
}

static void step(struct rude *r, const char *name, const char *family)
{
	static pthread_t thread;
	static struct rude second;

	if (!strcmp(name, "free"))
		SSL_free(r->ssl);
	else if (!strcmp(name, "say"))
		SSL_shutdown(r->ssl);
	else if (!strcmp(name, "shut_wr"))
		shutdown(r->fd, SHUT_WR);
	else if (!strcmp(name, "shut_rdwr"))
		shutdown(r->fd, SHUT_RDWR);
	else if (!strcmp(name, "close"))
		close(r->fd);
	else if (!strcmp(name, "reads") && pthread_create(&thread, NULL, reader, &r->fd))
		rude_fail("pthread_create");
	else if (!strcmp(name, "woken"))
		pthread_join(thread, NULL);
	else if (!strcmp(name, "flushed"))
		rude_flushed(r->fd);
	else if (!strcmp(name, "over"))
		wait_until_over(r->fd);
	else if (!strcmp(name, "patient"))
		setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1, .l_linger = 60},
			   sizeof(struct linger));
	else if (!strcmp(name, "drops"))
		rude_net_admin(false);
	else if (!strcmp(name, "regains"))
		rude_net_admin(true);
	else if (!strncmp(name, "abort", 5))
		ask_for_reset(r->fd, name[5]);
	else if (!strcmp(name, "lends"))
		lend_memory();
	else if (!strcmp(name, "mark"))
		getppid();
	else if (!strcmp(name, "unread"))
		wait_for_input(r->fd);
	else if (!strcmp(name, "stamps"))
		ask_for_stamps(r->fd);
	else if (!strcmp(name, "moves") && unshare(CLONE_NEWNET))
		rude_fail("unshare");
	if (!strcmp(name, "second")) {
		second = *r;
		second.fd = tcp(&second, family);
		rude_speak(&second);
	}
	if (!strcmp(name, "swap"))
		*r = second;
	if (!strcmp(name, "again"))
		connect_again(r);
}

int main(int argc, char **argv)
{
	struct rude r = rude_arguments(argc, argv);
	const char *gone = argc > 5 ? argv[5] : "exits", *family = argc > 6 ? argv[6] : "ipv4";

	if (argc < 5)
		rude_fail("parts_with_bytes PORT TLS N ORDER GONE [ipv6|mptcp]");
	if (!strcmp(gone, "crashes"))
		atexit(crash);
	r.ctx = rude_context(&r);
	r.fd = tcp(&r, family);
	rude_speak(&r);
	for (char *name = strtok(argv[4], "+"); name; name = strtok(NULL, "+"))
		step(&r, name, family);
	if (!strcmp(gone, "killed"))
		kill(getpid(), SIGKILL);
	if (!strcmp(gone, "exec"))
		execl("/bin/true", "true", NULL);
	if (!strcmp(gone, "_exits"))
		_exit(0);
	if (!strcmp(gone, "cancelled") || !strcmp(gone, "thrd_exits"))
		end_main(*gone == 'c');
	if (!strcmp(gone, "alone"))
		rude_alone();
	return 0;
}
