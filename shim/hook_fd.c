/* SPDX-License-Identifier: MIT
 * Shells around the calls that end or copy descriptors. Invariant: decides nothing; for an untracked
 * descriptor a load and a branch. */
#include "config.h"
#include "ending.h"
#include "event.h"
#include "hook.h"
#include "kernel.h"
#include "match.h"
#include "sink.h"
#include "watch.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The program is about to close the descriptor, or to shut down the sending half of its socket. */
static void ending(int fd, enum cn_cause cause)
{
	struct cn_guard guard;

	if (cn_confined)
		return;
	guard = cn_guard_enter();
	cn_end_descriptor(fd, cause);
	cn_guard_leave(guard);
}

/* The fast path: fd is not tracked, and the real functions have been found. */
static inline bool passes(int fd)
{
	return __builtin_expect(!cn_tracked(fd) && cn_libc_table.close, 1);
}

/* close() is where a thread may be cancelled: then before anything is done, and the descriptor stays open; or while it waits
 * (SO_LINGER). So it is here. */
static int end_and_close(int fd, const struct cn_conn *conn)
{
	int cancel, ret;

	if (cn_libc()->pthread_testcancel)
		cn_libc()->pthread_testcancel();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ending(fd, CN_CAUSE_CLOSE);
	if (!conn || !cn_conn_has(conn, CN_LINGER_OFF))
		pthread_setcancelstate(cancel, NULL);
	ret = cn_libc()->close(fd);
	pthread_setcancelstate(cancel, NULL);
	return ret;
}

/* Not in close() itself, so that closing an untracked descriptor needs no stack frame. */
static __attribute__((noinline)) int watched_close(int fd, const void *caller)
{
	uint32_t tracked = cn_tracked(fd);
	struct cn_conn *conn = cn_conn_at(fd);
	struct cn_call call;

	if (!tracked || cn_inside)
		return cn_libc()->close(fd);
	if (tracked == CN_FD_RESERVED) {
		errno = EBADF; /* it is the log's: to the program no file is open there */
		return -1;
	}
	cn_call_begin(&call, caller, "close", conn, fd);
	return cn_call_end(&call, end_and_close(fd, conn), NULL);
}

EXPORT int close(int fd)
{
	return passes(fd) ? cn_libc_table.close(fd) : watched_close(fd, CALLER);
}

static __attribute__((noinline)) int watched_shutdown(int fd, int how, const void *caller)
{
	static const char *const names[] = {
		[SHUT_RD] = "shutdown(SHUT_RD)",
		[SHUT_WR] = "shutdown(SHUT_WR)",
		[SHUT_RDWR] = "shutdown(SHUT_RDWR)",
	};
	struct cn_call call;
	enum cn_cause cause;
	int ret;

	if (!cn_tracked(fd) || cn_inside || how < SHUT_RD || how > SHUT_RDWR)
		return cn_libc()->shutdown(fd, how);
	cause = cn_end_of_half(fd, how);
	if (cause != CN_CAUSE_COUNT) {
		cn_call_begin(&call, caller, names[how], cn_conn_at(fd), fd);
		ending(fd, cause);
		ret = cn_call_end(&call, cn_libc()->shutdown(fd, how), NULL);
	} else {
		ret = cn_libc()->shutdown(fd, how);
	}
	if (how != SHUT_WR && ret == 0)
		cn_input_shut(fd);
	return ret;
}

EXPORT int shutdown(int fd, int how)
{
	return passes(fd) ? cn_libc_table.shutdown(fd, how) : watched_shutdown(fd, how, CALLER);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	int ret = cn_libc()->setsockopt(fd, level, name, value, size);
	struct cn_conn *conn;

	if (__builtin_expect(level == SOL_SOCKET && name == SO_LINGER, 0) && (conn = cn_conn_at(fd)))
		atomic_fetch_and(&conn->facts, ~(uint32_t)CN_LINGER_OFF);
	return ret;
}

/* After the call: `copy` is the new descriptor, a duplicate of `fd`. Duplicates of sockets are noted even before TLS begins on them: the
 * program may close one while it still uses the other. */
static int copied(int fd, int copy)
{
	struct cn_guard guard;

	if (copy < 0 || copy == fd || cn_inside || cn_confined || cn_config.mode == CN_MODE_OFF ||
	    cn_tracked(fd) == CN_FD_RESERVED)
		return copy;
	guard = cn_guard_enter();
	if (cn_process_is_real())
		cn_conn_copied(fd, copy, cn_conn_at(fd) ? 0 : cn_socket_cookie(fd));
	cn_watch_copied(fd, copy);
	cn_guard_leave(guard);
	return copy;
}

static bool is_open(int fd)
{
	int error = errno;
	bool open = cn_libc()->fcntl(fd, F_GETFD) >= 0;

	errno = error;
	return open;
}

/* Before dup2: the connection on `to` ends, but only if `fd` is open and the call will succeed. */
static void replacing(struct cn_call *call, const void *caller, const char *name, int fd, int to)
{
	uint32_t tracked = cn_tracked(to);

	call->name = NULL;
	if (!tracked || cn_inside || fd == to || (!cn_confined && !is_open(fd)))
		return;
	if (tracked == CN_FD_RESERVED) {
		cn_sink_yield(to);
		return;
	}
	cn_call_begin(call, caller, name, cn_conn_at(to), to);
	ending(to, CN_CAUSE_DUP2);
}

EXPORT int dup(int fd)
{
	return copied(fd, cn_libc()->dup(fd));
}

EXPORT int dup2(int fd, int to)
{
	struct cn_call call;

	replacing(&call, CALLER, "dup2", fd, to);
	return copied(fd, cn_call_end(&call, cn_libc()->dup2(fd, to), NULL));
}

EXPORT int dup3(int fd, int to, int flags)
{
	struct cn_call call = {.name = NULL};

	if ((flags & ~O_CLOEXEC) == 0) /* else dup3 fails */
		replacing(&call, CALLER, "dup3", fd, to);
	return copied(fd, cn_call_end(&call, cn_libc()->dup3(fd, to, flags), NULL));
}

/* fcntl's third argument may be an int, a long or a pointer; all are passed on the same way. */
static int any_fcntl(int (*real)(int, int, ...), int fd, int command, void *argument)
{
	int ret = real(fd, command, argument);

	return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, ret) : ret;
}

EXPORT int fcntl(int fd, int command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return any_fcntl(cn_libc()->fcntl, fd, command, argument);
}

EXPORT int fcntl64(int fd, int command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return any_fcntl(cn_libc()->fcntl64 ? cn_libc()->fcntl64 : cn_libc()->fcntl, fd, command, argument);
}

static void ending_range(const void *caller, unsigned int first, unsigned int last)
{
	struct cn_call call;

	for (int fd = cn_next_tracked(first, last); fd >= 0;
	     fd = cn_next_tracked((unsigned int)fd + 1, last)) {
		if (cn_tracked(fd) == CN_FD_RESERVED)
			continue;
		cn_call_begin(&call, caller, "close_range", cn_conn_at(fd), fd);
		ending(fd, CN_CAUSE_CLOSE_RANGE);
		cn_call_end(&call, 0, NULL); /* logged before the real call, which hardly ever fails */
	}
}

static int close_range_by_number(unsigned int first, unsigned int last, int flags)
{
	return (int)cn_libc()->syscall(SYS_close_range, first, last, flags);
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	unsigned int log = (unsigned int)cn_sink_fd();
	int (*real)(unsigned int, unsigned int, int) = cn_libc()->close_range;
	int ret = 0;

	if (!real)
		real = close_range_by_number; /* glibc before 2.34 */
	/* With UNSHARE the other threads keep the descriptors, with CLOEXEC nothing is closed yet, with other flags it fails. */
	if (cn_inside || first > last || flags)
		return real(first, last, flags);
	ending_range(CALLER, first, last);
	if (log == UINT32_MAX || log < first || log > last)
		return real(first, last, flags);
	if (log > first)
		ret = real(first, log - 1, flags);
	if (ret == 0 && log < last)
		ret = real(log + 1, last, flags);
	return ret;
}

EXPORT void closefrom(int first)
{
	int log = cn_sink_fd();

	if (first < 0)
		first = 0;
	if (!cn_inside && log >= first) {
		close_range((unsigned int)first, UINT32_MAX, 0); /* our hook, which leaves the log open */
		return;
	}
	if (!cn_inside)
		ending_range(CALLER, (unsigned int)first, UINT32_MAX);
	if (cn_libc()->closefrom)
		cn_libc()->closefrom(first);
	else /* glibc before 2.34 has none, but a program that looks for it finds ours */
		close_range_by_number((unsigned int)first, UINT32_MAX, 0);
}

static int watching(int poller)
{
	int error = errno;

	if (poller >= 0 && !cn_inside && !cn_confined)
		cn_watch_noted(poller);
	errno = error;
	return poller;
}

EXPORT int epoll_create(int size)
{
	return watching(cn_libc()->epoll_create(size));
}

EXPORT int epoll_create1(int flags)
{
	return watching(cn_libc()->epoll_create1(flags));
}

EXPORT int fclose(FILE *stream)
{
	int error = errno, fd = fileno(stream), flushed, ret;
	struct cn_call call;

	errno = error; /* fileno fails for a stream in memory */
	if (fd < 0 || !cn_conn_at(fd) || cn_inside)
		return cn_libc()->fclose(stream);
	flushed = fflush(stream); /* drops what can't be written, and fclose would not tell of it any more */
	error = errno;
	if (flushed)
		cn_stream_lost(fd);
	cn_call_begin(&call, CALLER, "fclose", cn_conn_at(fd), fd);
	ending(fd, CN_CAUSE_FCLOSE);
	ret = cn_libc()->fclose(stream);
	if (flushed && ret == 0) {
		errno = error;
		ret = EOF;
	}
	return cn_call_end(&call, ret, NULL);
}

/* --- what is sent --- */

/* After the call, and only while some session's socket is not known: looks for that session's hello in what the kernel took. */
static __attribute__((noinline)) ssize_t sent(int fd, const struct iovec *parts, size_t count, ssize_t put)
{
	if (put > 0 && !cn_inside && !cn_confined) {
		struct cn_guard guard = cn_guard_enter();

		cn_seek_written(fd, parts, count, (size_t)put);
		cn_goodbye_may_follow(fd);
		cn_guard_leave(guard);
	}
	return put;
}

/* The program is about to write its own goodbye before what belongs before it: then it is kept, and counts as written. */
static __attribute__((noinline)) bool keeps_back(int fd, const struct iovec *parts, size_t count)
{
	struct cn_guard guard;
	bool keeps;

	if (cn_inside || cn_confined)
		return false;
	guard = cn_guard_enter();
	keeps = cn_goodbye_is_early(fd, parts, count);
	cn_guard_leave(guard);
	return keeps;
}

static inline bool nobody_seeks(void)
{
	return __builtin_expect(!atomic_load_explicit(&cn_seekers, memory_order_relaxed), 1);
}

static ssize_t quiet_write(int fd, const void *bytes, size_t length)
{
	int quiet = cn_quiet_fd;
	ssize_t put;

	cn_quiet_fd = 0; /* while this waits, a signal handler may jump out of SSL_shutdown */
	put = cn_libc()->send(fd, bytes, length, MSG_NOSIGNAL);
	cn_quiet_fd = quiet;
	if (put > 0)
		cn_quiet_put += (size_t)put;
	return put;
}

static __attribute__((noinline)) ssize_t watched_write(int fd, const void *bytes, size_t length)
{
	const struct iovec part = {(void *)bytes, length};

	if (__builtin_expect(cn_quiet_fd < 0, 0) && fd < 0) { /* not a signal handler's */
		cn_quiet_fd = 0;
		errno = EBADF;
		return -1;
	}
	if (cn_quiet_fd && fd == cn_quiet_fd - 1)
		return quiet_write(fd, bytes, length);
	if (keeps_back(fd, &part, 1))
		return (ssize_t)length;
	return sent(fd, &part, 1, cn_libc()->write(fd, bytes, length));
}

EXPORT ssize_t write(int fd, const void *bytes, size_t length)
{
	return nobody_seeks() ? cn_libc()->write(fd, bytes, length) : watched_write(fd, bytes, length);
}

static __attribute__((noinline)) ssize_t watched_send(int fd, const void *bytes, size_t length, int flags)
{
	const struct iovec part = {(void *)bytes, length};

	return keeps_back(fd, &part, 1) ? (ssize_t)length
					: sent(fd, &part, 1, cn_libc()->send(fd, bytes, length, flags));
}

EXPORT ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
	return nobody_seeks() ? cn_libc()->send(fd, bytes, length, flags)
			      : watched_send(fd, bytes, length, flags);
}

EXPORT ssize_t sendto(int fd, const void *bytes, size_t length, int flags, __CONST_SOCKADDR_ARG to,
		      socklen_t size)
{
	ssize_t put = cn_libc()->sendto(fd, bytes, length, flags, to, size);

	return nobody_seeks() ? put : sent(fd, &(struct iovec){(void *)bytes, length}, 1, put);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	ssize_t put = cn_libc()->writev(fd, parts, count);

	return nobody_seeks() ? put : sent(fd, parts, count > 0 ? (size_t)count : 0, put);
}

/* The socket was sent to another process, which may be no relative of this one. */
static void note_handed_over(struct cn_conn *conn)
{
	struct cn_share *share = conn->share;

	cn_conn_note(conn, CN_HANDED_OVER);
	if (share)
		atomic_store(&share->many, true);
}

void cn_message_sent(const struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR((struct msghdr *)message, c)) {
		const unsigned char *data = CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (; data + sizeof(int) <= (unsigned char *)c + c->cmsg_len; data += sizeof(int)) {
			struct cn_conn *conn;
			int fd;

			__builtin_memcpy(&fd, data, sizeof(fd));
			conn = cn_conn_at(fd);
			if (conn)
				note_handed_over(conn);
		}
	}
}

static ssize_t sent_one(int fd, const struct msghdr *message, ssize_t ret)
{
	if (__builtin_expect(ret >= 0 && message->msg_controllen != 0, 0) && !cn_inside)
		cn_message_sent(message);
	return nobody_seeks() ? ret : sent(fd, message->msg_iov, message->msg_iovlen, ret);
}

static size_t length_of(const struct msghdr *message)
{
	size_t length = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++)
		length += message->msg_iov[i].iov_len;
	return length;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (!nobody_seeks() && keeps_back(fd, message->msg_iov, message->msg_iovlen))
		return (ssize_t)length_of(message);
	return sent_one(fd, message, cn_libc()->sendmsg(fd, message, flags));
}

static int sent_many(int fd, const struct mmsghdr *messages, int ret)
{
	for (int i = 0; i < ret && !cn_inside; i++) {
		const struct msghdr *message = &messages[i].msg_hdr;

		if (message->msg_controllen)
			cn_message_sent(message);
		if (!nobody_seeks())
			sent(fd, message->msg_iov, message->msg_iovlen, (ssize_t)messages[i].msg_len);
	}
	return ret;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	return sent_many(fd, messages, cn_libc()->sendmmsg(fd, messages, count, flags));
}

#ifndef __LP64__ /* programs built with 64-bit times call these (glibc 2.34) */
int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned int count, int flags);
ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags);
int __fcntl_time64(int fd, int command, ...);

EXPORT int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	return sent_many(fd, messages, cn_libc()->__sendmmsg64(fd, messages, count, flags));
}

EXPORT ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags)
{
	return sent_one(fd, message, cn_libc()->__sendmsg64(fd, message, flags));
}

EXPORT int __fcntl_time64(int fd, int command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return any_fcntl(cn_libc()->__fcntl_time64, fd, command, argument);
}
#endif
