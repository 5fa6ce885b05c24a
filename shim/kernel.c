/* SPDX-License-Identifier: MIT
 * What the kernel knows about a socket. Invariant: remembers nothing. */
#include "kernel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

#define BY_INODE     (UINT64_C(1) << 63)
#define DISCARD_STEP (1 << 20)
#define SEND_TRIES   8
#define DRAIN_STEPS  64 /* a peer that sends forever is left to the kernel */

/* RFC 9293 3.1: offset of the byte with the flags in the TCP header, and FIN in it. */
enum { TCP_FLAGS = 13, TCP_FLAG_FIN_BIT = 1 };

enum { ESTABLISHED = 1, FIN_WAIT1 = 4, FIN_WAIT2, TIME_WAIT, CLOSED, CLOSE_WAIT, LAST_ACK, CLOSING = 11 };

static uint64_t ask_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	struct stat file;

	if (!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length))
		return cookie;
	/* qemu-user and sandboxes don't know SO_COOKIE. There the inode number stands for it: no two living sockets share one. A
	 * failure for want of memory does not count as "not known". */
	if (errno == EBADF || errno == ENOTSOCK || errno == ENOMEM || errno == ENOBUFS || fstat(fd, &file) ||
	    !S_ISSOCK(file.st_mode))
		return 0;
	return (uint64_t)file.st_ino | BY_INODE;
}

uint64_t cn_socket_cookie(int fd)
{
	int type = 0;
	socklen_t length = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) || type != SOCK_STREAM ? 0
											  : ask_cookie(fd);
}

bool cn_socket_is(int fd, uint64_t cookie)
{
	return cookie && ask_cookie(fd) == cookie;
}

static void note_state(int state, struct cn_socket *out)
{
	switch (state) {
	case FIN_WAIT1:
	case FIN_WAIT2:
		out->write_shut = true;
		break;
	case LAST_ACK:
	case CLOSING:
	case TIME_WAIT:
		out->write_shut = out->peer_shut = true;
		break;
	case CLOSE_WAIT:
		out->peer_shut = true;
		break;
	case ESTABLISHED:
		break;
	default:
		out->reset = true;
	}
}

int cn_socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) ? errno : error;
}

bool cn_socket_over(int error)
{
	return error == EPIPE || error == ECONNRESET || error == ETIMEDOUT || error == ECONNABORTED;
}

int cn_socket_unacked(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) ? -1 : bytes;
}

static socklen_t ask_tcp(int fd, struct tcp_info *info)
{
	socklen_t length = sizeof(*info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &length) ? 0 : length;
}

/* Payload given to the socket so far. Since Linux 4.19 tcp_info has it. Before, it is "acknowledged" plus "not acknowledged": asked again
 * until no acknowledgement comes in between. A client's count has its SYN in it, which is no matter: only differences are used. */
static uint64_t handed_to(int fd, struct tcp_info *info, socklen_t length, bool fin)
{
	uint64_t acked;
	int unacked;

	if (length >= offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(info->tcpi_bytes_retrans))
		return info->tcpi_bytes_sent - info->tcpi_bytes_retrans + info->tcpi_notsent_bytes -
		       (fin && info->tcpi_notsent_bytes > 0);
	do {
		acked = info->tcpi_bytes_acked;
		unacked = cn_socket_unacked(fd);
	} while (ask_tcp(fd, info) && info->tcpi_bytes_acked != acked);
	return acked + (unsigned int)unacked - fin;
}

static void look_at_tcp(int fd, struct cn_socket *out)
{
	struct tcp_info info = {0};
	socklen_t length = ask_tcp(fd, &info);

	if (!length)
		return;
	out->tcp = true;
	out->counts = info.tcpi_segs_out > 0;
	note_state(info.tcpi_state, out);
	out->handed = handed_to(fd, &info, length, out->write_shut);
	out->owing = info.tcpi_unacked || info.tcpi_notsent_bytes;
	out->unsaid = info.tcpi_notsent_bytes;
	out->window = length >= offsetof(struct tcp_info, tcpi_snd_wnd) + sizeof(info.tcpi_snd_wnd)
			      ? info.tcpi_snd_wnd
			      : UINT32_MAX;
	out->acked = info.tcpi_bytes_acked;
	out->received = info.tcpi_bytes_received;
}

bool cn_socket_handed(int fd, uint64_t *bytes)
{
	struct cn_socket socket = {0};

	look_at_tcp(fd, &socket);
	*bytes = socket.handed;
	return socket.tcp;
}

void cn_socket_identify(int fd, uint64_t cookie, struct cn_socket *out)
{
	uint64_t found = ask_cookie(fd);

	*out = (struct cn_socket){.open = found && found == cookie,
				  .unknown = found ? (found ^ cookie) & BY_INODE /* one is an inode */
						   : errno != EBADF && errno != ENOTSOCK};
}

void cn_socket_look(int fd, uint64_t cookie, struct cn_socket *out)
{
	cn_socket_identify(fd, cookie, out);
	if (out->open)
		look_at_tcp(fd, out);
}

void cn_socket_ask_linger(int fd, struct cn_socket *out)
{
	struct linger linger = {0};
	socklen_t length = sizeof(linger);

	out->abort_on_close = getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) ||
			      (linger.l_onoff && linger.l_linger == 0);
	out->wait_s = linger.l_onoff ? linger.l_linger : 0;
}

int cn_socket_refuse_input(int fd)
{
	/* A filter that keeps 1 byte keeps the whole TCP header, which the kernel never cuts. Segments with FIN are dropped whole:
	 * without the payload before it FIN is out of order, and in FIN_WAIT1 the kernel would answer RST. */
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TCP_FLAG_FIN_BIT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 1),
	};
	struct sock_fprog program = {.len = sizeof(rules) / sizeof(*rules), .filter = rules};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ? errno : 0;
}

void cn_socket_accept_input(int fd)
{
	int unused = 0;

	setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
}

bool cn_socket_filter_is_locked(int fd)
{
	int locked = 0;
	socklen_t length = sizeof(locked);

	return getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked, &length) || locked;
}

void cn_socket_limit(int fd, unsigned int ms)
{
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

int cn_socket_unread(int fd)
{
	int bytes = 0;

	return ioctl(fd, FIONREAD, &bytes) ? 0 : bytes;
}

ssize_t cn_socket_discard(int fd, bool tcp)
{
	static CN_APART char
		bytes[DISCARD_STEP]; /* MSG_TRUNC does not touch it, so for TCP it costs no memory */

	/* By system call: ThreadSanitizer would report a race on `bytes`, which nobody reads. */
	return syscall(SYS_recvfrom, fd, bytes, sizeof(bytes), MSG_DONTWAIT | (tcp ? MSG_TRUNC : 0), NULL,
		       NULL);
}

size_t cn_socket_send(int fd, const unsigned char *bytes, size_t length, int flags)
{
	size_t at = 0;

	for (int tries = SEND_TRIES; at < length && tries;) {
		ssize_t put = send(fd, bytes + at, length - at, MSG_NOSIGNAL | MSG_DONTWAIT | flags);

		if (put > 0)
			at += (size_t)put;
		else if (errno == EINTR || errno == ENOBUFS || errno == ENOMEM)
			tries--;
		else
			break;
	}
	return at;
}

bool cn_socket_drain(int fd, bool tcp, bool *heard)
{
	for (int step = 0; step < DRAIN_STEPS; step++) {
		ssize_t got = cn_socket_discard(fd, tcp);

		if (got > 0 && heard)
			*heard = true;
		/* A short read of TCP means that the queue is empty. A unix socket also stops short at passed descriptors. */
		if (got <= 0 || (tcp && got < DISCARD_STEP))
			return true;
	}
	return false;
}

static void put_address(int fd, int ask(int, struct sockaddr *, socklen_t *), char *out, size_t size)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage room;
	} name;
	socklen_t length = sizeof(name);
	unsigned int port;
	size_t end;

	out[0] = '\0';
	name.any.sa_family = AF_UNSPEC;
	if (size < INET6_ADDRSTRLEN + 9 || ask(fd, &name.any, &length))
		return;
	if (name.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &name.v4.sin_addr, out, (socklen_t)size);
		port = ntohs(name.v4.sin_port);
	} else if (name.any.sa_family == AF_INET6) {
		out[0] = '[';
		inet_ntop(AF_INET6, &name.v6.sin6_addr, out + 1, (socklen_t)size - 1);
		strcat(out, "]");
		port = ntohs(name.v6.sin6_port);
	} else {
		memcpy(out, "unix", sizeof("unix"));
		return;
	}
	end = strlen(out);
	out[end++] = ':';
	for (unsigned int unit = 10000; unit; unit /= 10) {
		if (port >= unit || unit == 1)
			out[end++] = (char)('0' + port / unit % 10);
	}
	out[end] = '\0';
}

static int ask_peer(int fd, struct sockaddr *name, socklen_t *length)
{
	return getpeername(fd, name, length);
}

static int ask_local(int fd, struct sockaddr *name, socklen_t *length)
{
	return getsockname(fd, name, length);
}

void cn_socket_peer(int fd, char *out, size_t size)
{
	put_address(fd, ask_peer, out, size);
}

void cn_socket_local(int fd, char *out, size_t size)
{
	put_address(fd, ask_local, out, size);
}

int64_t cn_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void *cn_map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int cn_high_fd(void)
{
	struct rlimit limit;
	rlim_t top = 1024;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < top)
		top = limit.rlim_cur;
	return top > 32 ? (int)top - 24 : 3;
}
