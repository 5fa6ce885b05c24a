/* SPDX-License-Identifier: MIT
 * The background thread. Invariants: runs only while it holds a socket; owns a descriptor table of its own (close_range with
 * CLOSE_RANGE_UNSHARE), into which sockets come by SCM_RIGHTS. So the program sees no descriptor of ours but for the
 * instant of sending, and closefrom, RLIMIT_NOFILE and reuse of numbers are no matter.
 *
 * A pthread, not a bare clone: setuid() in the program must reach it too. It takes no signals, ends itself
 * when it has been idle, and does not survive fork: the child starts its own. */
#include "background.h"
#include "config.h"
#include "conn.h"
#include "copies.h"
#include "event.h"
#include "kernel.h"
#include "sink.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NUMBERS     16384 /* descriptors of the thread; beyond that the oldest socket is closed */
#define NUMBERS_OWN 8     /* those of its own, which are not the program's sockets */
#define IDLE_MS     250   /* without work, the thread ends */
#define STACK_SIZE  (size_t)(256 * 1024)
#define BACKLOG     4096 /* messages that wait; the kernel has a limit of its own (net.core.somaxconn) */
#define READ_STEPS  16   /* reads of a MiB each before the next socket is served */
#define FULL_NS                                                                                              \
	20000000 /* until it is seen whether there is a descriptor to be had: the message goes on waking us */
#define MESSAGE_MS    100 /* how long a sender may take from connect() to sendmsg() */
#define TRIES         8
#define START_MS      1000 /* reached only if the thread gets no processor */
#define LET_GO_MS     1000 /* reached only if the thread gets no processor */
#define ENDING_MS     1000 /* a thread that has announced its end has ended by then */
#define CLOSE_UNSHARE 2    /* CLOSE_RANGE_UNSHARE, Linux 5.9 */

/* A socket that the program has closed. Times are ms of CLOCK_MONOTONIC. */
struct held {
	bool used;
	bool talking; /* the peer was still sending: if its write fails, it may not read our answer */
	bool ended;   /* the peer's FIN has come */
	uint32_t order;
	int unacked;
	uint32_t rest; /* bytes of the alert that are to be sent, FIN after them */
	unsigned char *alert;
	uint64_t cookie;
	int64_t begun, idle_end, end;
};

/* The message that goes with a descriptor. No padding: every byte of it is sent. */
struct message_head {
	uint64_t cookie;
	uint32_t rest;
	uint32_t talking;
};

struct message {
	struct message_head head;
	unsigned char alert[CN_REST_MOST];
};

#define LISTENER (-1) /* in the place of a number, in the epoll set */
#define OPEN     (UINT32_C(1) << 31)
#define STARTING (UINT32_C(1) << 30)
#define CLEARING UINT64_C(1)

static struct {
	_Atomic uint32_t state;   /* number of senders at work, and OPEN or STARTING */
	_Atomic uint32_t holding; /* sockets held, messages not yet received included */
	_Atomic bool forbidden;   /* no thread may be started any more */
	_Atomic bool leaving;     /* the thread is to close what it holds */
	_Atomic int64_t ended;    /* ms: when the thread said that it ends */
	pid_t thread;
	_Atomic uint64_t process; /* cn_process() << 1 of the thread's, or CLEARING */
	struct sockaddr_un address;
	socklen_t address_length;

	/* The thread's own, by number in its descriptor table. */
	struct held *held;
	int top; /* no number from here on is used */
	int count;
	uint32_t order;
	int epoll, listener;
} background;

static int64_t now_ms(void)
{
	return cn_now_us() / 1000;
}

/* Whether the other end belongs to this process. Any process can take an abstract name, and in another network namespace the
 * name may be another's. */
static bool is_our_own(int fd)
{
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	int tries = TRIES;

	while (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) &&
	       --tries) /* no memory for the moment */
		;
	return tries && peer.pid == atomic_load(&cn_process_page)->pid;
}

/* --- the thread --- */

/* One socket less is held. An exit may be waiting for that: it has set `leaving` before it looked. */
static void count_down(void)
{
	if (atomic_fetch_sub(&background.holding, 1) == 1 && atomic_load(&background.leaving))
		syscall(SYS_futex, &background.holding, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* The rest of an alert, then FIN. False if the connection is gone. */
static bool push_rest(struct held *h, int fd)
{
	size_t put = h->rest ? cn_socket_send(fd, h->alert, h->rest, MSG_MORE) : 0;

	if (!h->rest)
		return true;
	h->rest -= (uint32_t)put;
	if (h->rest && cn_socket_over(errno))
		return false;
	memmove(h->alert, h->alert + put, h->rest);
	if (!h->rest)
		shutdown(fd, SHUT_WR);
	return true;
}

/* From here on the kernel alone delivers. */
static void let_go(int fd, enum cn_after after)
{
	struct held *h = &background.held[fd];
	int unacked;

	if (h->rest && push_rest(h, fd) && h->rest)
		shutdown(fd, SHUT_WR); /* no room for the rest of the alert: the peer must see a truncation */
	unacked = cn_socket_unacked(fd);
	if (unacked > 0 && !h->ended) {
		if (cn_socket_refuse_input(fd) == 0)
			cn_socket_drain(fd, true, NULL);
	}
	cn_event_after(h->cookie, after, unacked, now_ms() - h->begun);
	cn_libc()->close(
		fd); /* which takes it out of the epoll set, unless the program still has it, as at exit */
	if (h->alert)
		munmap(h->alert, CN_REST_MOST);
	h->used = false;
	background.count--;
	count_down();
}

static void let_go_of_oldest(void)
{
	int oldest = -1;

	for (int fd = 0; fd < background.top; fd++) {
		if (background.held[fd].used &&
		    (oldest < 0 || (int32_t)(background.held[fd].order - background.held[oldest].order) < 0))
			oldest = fd;
	}
	if (oldest >= 0)
		let_go(oldest, CN_AFTER_EVICTED);
}

/* Sends the rest of an alert as far as it goes, and drains. True if there is more to read now. */
static bool serve(int fd, int64_t now)
{
	struct held *h = &background.held[fd];
	ssize_t got = 1;

	if (!push_rest(h, fd)) {
		let_go(fd, CN_AFTER_RESET);
		return false;
	}
	for (int step = 0; step < READ_STEPS && got > 0 && !h->ended; step++) {
		got = cn_socket_discard(fd, true);
		if (got > 0)
			h->idle_end = now + cn_config.linger_ms;
		h->ended = got == 0;
		if (got < 0 && errno != EAGAIN && errno != EINTR) {
			let_go(fd, CN_AFTER_RESET);
			return false;
		}
	}
	/* After the peer's FIN no data can come that would make close() reset. */
	if (h->ended && !h->rest)
		let_go(fd, CN_AFTER_PEER_END);
	else if (!h->talking && !h->rest && cn_socket_unacked(fd) == 0)
		let_go(fd, CN_AFTER_ACKNOWLEDGED);
	return h->used && got > 0 && !h->ended;
}

/* Called when the time of a socket has come. An acknowledgement counts as progress. No event tells of one, so it is looked
 * for here. */
static void look_at_clock(int fd, int64_t now)
{
	struct held *h = &background.held[fd];
	int unacked = cn_socket_unacked(fd);

	if (now >= h->end) {
		let_go(fd, CN_AFTER_TIMEOUT);
	} else if (unacked == 0 && !h->talking && !h->rest) {
		let_go(fd, CN_AFTER_ACKNOWLEDGED);
	} else if (unacked >= 0 && unacked < h->unacked) {
		h->unacked = unacked;
		h->idle_end = now + cn_config.linger_ms;
	} else {
		let_go(fd, CN_AFTER_IDLE);
	}
}

/* The sender may still be between connect() and sendmsg(). If it is too late, its sendmsg() fails and tells it so. What it has
 * sent before that is taken: others would wait for a message that is lost. */
static ssize_t receive(int from, struct msghdr *header)
{
	struct pollfd ready = {.fd = from, .events = POLLIN};
	int tries = TRIES;
	ssize_t got;

	while (poll(&ready, 1, MESSAGE_MS) < 0 && --tries)
		;
	if (!ready.revents)
		shutdown(from, SHUT_RDWR);
	for (tries = TRIES; (got = recvmsg(from, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) < 0 && --tries;)
		;
	return got;
}

/* Takes the descriptor and its message. A message from another process is dropped. */
static void take_message(int from)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	static CN_APART struct message message; /* used by this thread only */
	struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = control.room,
				.msg_controllen = sizeof(control)};
	bool ours = is_our_own(from);
	ssize_t got = ours ? receive(from, &header) : -1;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
	int64_t now = now_ms();
	int fd = -1, waiting = 0;

	if (got < (ssize_t)sizeof(message.head)) {
		/* Empty, it was sent to wake this thread. One that can't be received is lost. */
		if (ours && got < 0 && !ioctl(from, FIONREAD, &waiting) && waiting > 0)
			count_down();
		return;
	}
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (fd < 0 || fd >= NUMBERS) { /* lost: no number was free for it */
		if (fd >= 0)
			cn_libc()->close(fd);
		count_down();
		return;
	}
	background.held[fd] = (struct held){
		.used = true,
		.talking = message.head.talking,
		.order = background.order++,
		.unacked = cn_socket_unacked(fd),
		.cookie = message.head.cookie,
		.begun = now,
		.idle_end = now + cn_config.linger_ms,
		.end = now + cn_config.timeout_ms,
	};
	if (message.head.rest && (background.held[fd].alert = cn_map(CN_REST_MOST))) {
		background.held[fd].rest = message.head.rest;
		memcpy(background.held[fd].alert, message.alert, message.head.rest);
	}
	background.count++;
	if (fd >= background.top)
		background.top = fd + 1;
	event.data.fd = fd;
	if (epoll_ctl(background.epoll, EPOLL_CTL_ADD, fd, &event)) /* reports input that is there already */
		let_go(fd, CN_AFTER_EVICTED);
}

/* How many sockets can be held. */
static int most(void)
{
	struct rlimit limit;
	int numbers = NUMBERS;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < NUMBERS)
		numbers = (int)limit.rlim_cur;
	return numbers > 2 * NUMBERS_OWN ? numbers - NUMBERS_OWN : 1;
}

static void take_messages(void)
{
	int from;

	for (;;) {
		if (background.count >= most())
			let_go_of_oldest();
		from = accept4(background.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (from < 0 && (errno == EMFILE || errno == ENFILE) && background.count) {
			let_go_of_oldest();
			continue;
		}
		if (from < 0 && (errno == EMFILE || errno == ENFILE))
			clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = FULL_NS}, NULL);
		if (from < 0)
			return;
		take_message(from);
		cn_libc()->close(from);
	}
}

/* Visits every socket whose time has come. Returns the ms until the next one. */
static int look_around(void)
{
	int64_t now = now_ms(), next = now + IDLE_MS;

	while (background.top > 0 && !background.held[background.top - 1].used)
		background.top--;
	for (int fd = 0; fd < background.top; fd++) {
		struct held *h = &background.held[fd];

		if (h->used && atomic_load(&background.leaving))
			let_go(fd, CN_AFTER_EXIT);
		else if (h->used && (h->idle_end <= now || h->end <= now))
			look_at_clock(fd, now);
		if (!h->used)
			continue;
		next = h->idle_end < next ? h->idle_end : next;
		next = h->end < next ? h->end : next;
	}
	return (int)(next - now);
}

static void work(void)
{
	struct epoll_event events[64];
	int64_t idle_since = now_ms();
	int wait = IDLE_MS;

	for (;;) {
		int count = epoll_wait(background.epoll, events, 64, wait);
		uint32_t open = OPEN;
		bool more = false;

		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd;

			if (fd == LISTENER)
				take_messages();
			else if (background.held[fd].used && serve(fd, now_ms()))
				more = !epoll_ctl(background.epoll, EPOLL_CTL_MOD, fd,
						  &(struct epoll_event){.events = EPOLLIN | EPOLLOUT |
										  EPOLLRDHUP | EPOLLET,
									.data.fd = fd});
		}
		wait = look_around();
		if (more)
			wait = 0;
		if (atomic_load(&background.holding)) {
			idle_since = now_ms();
		} else if (now_ms() - idle_since >= IDLE_MS || atomic_load(&background.forbidden)) {
			atomic_store(&background.ended, now_ms());
			if (atomic_compare_exchange_strong(&background.state, &open, 0))
				return; /* the descriptor table goes with the thread */
			atomic_store(&background.ended, INT64_MAX); /* a sender came first: it goes on */
		}
	}
}

/* A descriptor table of its own, in which only the log's descriptor stays. */
static bool unshare_descriptors(void)
{
	unsigned int log = (unsigned int)cn_sink_keep();

	if (log == UINT_MAX)
		return syscall(SYS_close_range, 0, UINT_MAX, CLOSE_UNSHARE) == 0;
	return syscall(SYS_close_range, log + 1, UINT_MAX, CLOSE_UNSHARE) == 0 &&
	       (log == 0 || syscall(SYS_close_range, 0, log - 1, 0) == 0);
}

/* The kernel picks an abstract name. */
static bool listen_to_program(void)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX};
	struct epoll_event event = {.events = EPOLLIN, .data.fd = LISTENER};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	background.listener = listener;
	background.address_length = sizeof(background.address);
	background.epoll = cn_libc()->epoll_create1(EPOLL_CLOEXEC);
	return listener >= 0 && background.epoll >= 0 &&
	       !bind(listener, (struct sockaddr *)&any, sizeof(sa_family_t)) && !listen(listener, BACKLOG) &&
	       !getsockname(listener, (struct sockaddr *)&background.address, &background.address_length) &&
	       !epoll_ctl(background.epoll, EPOLL_CTL_ADD, listener, &event);
}

static void *run(void *unused)
{
	bool ready;

	cn_inside = 1;
	atomic_store(&background.ended, INT64_MAX);
	background.thread = (pid_t)syscall(SYS_gettid);
	ready = unshare_descriptors() && listen_to_program();
	atomic_store(&background.state, ready ? OPEN : 0);
	syscall(SYS_futex, &background.state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	if (ready)
		work();
	return unused;
}

/* --- the program's threads --- */

/* The main thread ends before the process does: by pthread_exit, thrd_exit, or because it is cancelled. If the background were the
 * last thread, libc would run exit() in it, without the program's descriptors. */
static void main_ends(void *unused)
{
	int inside = cn_inside;

	(void)unused;
	if (cn_confined || gettid() != getpid())
		return; /* the main thread of a child by fork may be a copy of another */
	cn_inside = 1;
	cn_background_stop();
	cn_inside = inside;
}

/* exit() does not run what is registered for a thread's end. */
static void watch_main(void)
{
	static bool watched;
	static pthread_key_t key;

	if (gettid() == getpid() && (watched || (watched = !pthread_key_create(&key, main_ends))))
		pthread_setspecific(key, &background);
}

/* pthread_create allocates, so not in a signal handler. */
static void start(void)
{
	uint32_t closed = 0;
	sigset_t all, old;
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (atomic_load(&background.forbidden) || cn_in_handler() ||
	    !atomic_compare_exchange_strong(&background.state, &closed, STARTING))
		return;
	if (!background.held)
		background.held = cn_map((size_t)NUMBERS * sizeof(*background.held));
	watch_main();
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	error = background.held ? pthread_create(&thread, &attributes, run, NULL) : ENOMEM;
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error) {
		atomic_store(&background.state, 0);
		syscall(SYS_futex, &background.state, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	}
}

/* Waits while the thread makes its descriptor table and its socket: some 100 microseconds, which depend on no other thread. */
static bool wait_for_start(void)
{
	const struct timespec patience = {.tv_sec = START_MS / 1000};

	while (atomic_load(&background.state) == STARTING) {
		if (syscall(SYS_futex, &background.state, FUTEX_WAIT_PRIVATE, STARTING, &patience, NULL, 0) &&
		    errno != EAGAIN && errno != EINTR)
			break;
	}
	return atomic_load(&background.state) & OPEN;
}

/* After a fork the thread has stayed in the parent. The first caller in the child resets the thread's state; others wait for
 * that. */
static void move_in(void)
{
	uint64_t self = (uint64_t)cn_process() << 1, seen = atomic_load(&background.process);

	while (seen != self) {
		if (seen != (self | CLEARING) &&
		    atomic_compare_exchange_strong(&background.process, &seen, self | CLEARING)) {
			if (background.held)
				memset(background.held, 0, (size_t)background.top * sizeof(*background.held));
			background.top = background.count = 0;
			background.thread = 0;
			atomic_store(&background.holding, 0);
			atomic_store(&background.leaving, false);
			atomic_store(&background.state, 0);
			atomic_store(&background.process, self);
		} else {
			sched_yield();
		}
		seen = atomic_load(&background.process);
	}
}

static bool is_ours(void)
{
	return atomic_load(&background.process) == (uint64_t)cn_process() << 1;
}

static bool come_in(void)
{
	uint32_t state;

	move_in();
	state = atomic_load(&background.state);
	if (!(state & OPEN)) {
		start(); /* or another thread of the program does */
		if (!wait_for_start())
			return false;
	}
	do {
		state = atomic_load(&background.state);
		if (!(state & OPEN))
			return false;
	} while (!atomic_compare_exchange_weak(&background.state, &state, state + 1));
	return true;
}

/* A connection to the thread, -1 without one. Its queue may be full, or its name another's here. */
static int call_thread(void)
{
	int out = cn_socket_for_now(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK);

	if (out < 0 || (!connect(out, (struct sockaddr *)&background.address, background.address_length) &&
			is_our_own(out)))
		return out;
	cn_copy_over(out);
	return -1;
}

static bool hand_over(int fd, const struct message_head *head, const unsigned char *rest)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.room = {0}};
	struct iovec parts[] = {{.iov_base = (void *)head, .iov_len = sizeof(*head)},
				{.iov_base = (void *)rest, .iov_len = head->rest}};
	struct msghdr message = {.msg_iov = parts,
				 .msg_iovlen = 2,
				 .msg_control = control.room,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	int out = call_thread();
	bool sent;

	if (out < 0)
		return false;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	sent = cn_libc()->sendmsg(out, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	cn_copy_over(out);
	return sent;
}

bool cn_background_adopt(int fd, uint64_t cookie, const unsigned char *rest, size_t length, bool talking)
{
	struct message_head head = {.cookie = cookie, .rest = (uint32_t)length, .talking = talking};
	bool handed;

	if (length > CN_REST_MOST || !cn_config.timeout_ms || !cn_config.linger_ms || !come_in())
		return false;
	atomic_fetch_add(&background.holding, 1);
	handed = hand_over(fd, &head, rest);
	if (!handed)
		count_down();
	atomic_fetch_sub(&background.state, 1);
	return handed;
}

static void wake(void)
{
	int out = call_thread();

	if (out >= 0)
		cn_copy_over(out);
}

/* Whether letting go gains anything: a filter, or a word in the log of what is lost. The kernel is asked anew, as the program may have
 * gained CAP_NET_ADMIN. */
static bool is_gain(void)
{
	int any = cn_config.log == CN_LOG_NONE ? cn_socket_for_now(AF_INET, SOCK_STREAM) : -1;
	bool had = any < 0 || cn_socket_refuse_input(any) == 0;

	if (any >= 0)
		cn_copy_over(any);
	return had;
}

void cn_background_let_go(void)
{
	int64_t end = 0;
	uint32_t holding, least = UINT32_MAX;

	if (!is_ours() || !(atomic_load(&background.state) & OPEN) || !atomic_load(&background.holding) ||
	    !is_gain())
		return;
	atomic_store(&background.leaving, true);
	wake();
	while ((holding = atomic_load(&background.holding)) != 0) {
		struct timespec patience;
		int64_t left;

		if (holding < least) { /* it works, and that depends on no peer: some 80 us for each */
			least = holding;
			end = now_ms() + LET_GO_MS;
		}
		left = end - now_ms();
		if (left <= 0)
			return;
		patience.tv_sec = (time_t)(left / 1000);
		patience.tv_nsec = (long)(left % 1000) * 1000000L;
		syscall(SYS_futex, &background.holding, FUTEX_WAIT_PRIVATE, holding, &patience, NULL, 0);
	}
}

/* Waits until the thread has ended. Its thread id may belong to another by now, so the wait has a bound. */
static void wait_for_end(void)
{
	const struct timespec pause = {.tv_nsec = 200000};

	while (background.thread && syscall(SYS_tgkill, getpid(), background.thread, 0) == 0 &&
	       now_ms() - ENDING_MS < atomic_load(&background.ended))
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

bool cn_background_stop(void)
{
	if (atomic_exchange(&background.forbidden, true))
		return false;
	if (!is_ours())
		return true;
	if (wait_for_start()) {
		atomic_store(&background.leaving, true);
		wake();
	}
	wait_for_end(); /* a thread that takes no messages any more may not have ended yet */
	atomic_store(&background.leaving, false);
	return true;
}

void cn_background_allow(void)
{
	atomic_store(&background.forbidden, false);
}
