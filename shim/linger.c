/* SPDX-License-Identifier: MIT
 * Finishes in the background what can't finish now. Invariants: runs only while bytes are at risk; owns a
 * descriptor table of its own (close_range with CLOSE_RANGE_UNSHARE), into which sockets come by SCM_RIGHTS.
 * So the program sees no descriptor of ours but for the instant of sending, and closefrom, RLIMIT_NOFILE and
 * reuse of numbers are no matter.
 *
 * A pthread, not a bare clone: setuid() in the program must reach it too. It takes no signals, ends itself
 * when it has been idle, and does not survive fork: the child starts its own. */
#include "linger.h"
#include "config.h"
#include "conn.h"
#include "event.h"
#include "kernel.h"
#include "settle.h"
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
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NUMBERS                                                                                              \
	16384U /* descriptors of the thread; past that, or past RLIMIT_NOFILE, the oldest sockets go first */
#define NUMBERS_OWN   80U /* those that are no sockets on their way out */
#define IDLE_MS       250 /* without work, the thread ends */
#define REST_MS       10  /* after letters, until the next are looked for */
#define STACK_SIZE    (size_t)(256 * 1024)
#define DOORS_FIRST   4
#define DOORS_MOST    64 /* the queue of a datagram socket holds 10 letters: */
#define LETTERS_WAIT  5  /* when as many per door wait, the thread's rest is over, and it opens more doors */
#define TELL_MS       100
#define ENDING_MS     1000 /* by then a thread that said that it ends has done so */
#define DOOR_WAIT_MS  20   /* all full: how long the thread may keep a closing program waiting */
#define CLOSE_UNSHARE 2    /* CLOSE_RANGE_UNSHARE, Linux 5.9 */

/* One socket on its way out. */
struct held {
	bool used;
	bool watched;    /* in the epoll set */
	uint32_t number; /* in the order in which they were given */
	unsigned char *alert;
	struct cn_settling settling;
};

/* Without a hole: all of it is sent. */
struct letter_head {
	uint64_t secret;
	uint64_t cookie;
	uint64_t rest;
	uint32_t number;
	uint32_t talking;
};

struct letter {
	struct letter_head head;
	unsigned char alert[CN_REST_MOST];
};

#define DOOR     (-1) /* in the place of a number, in the epoll set */
#define OPEN     (UINT32_C(1) << 31)
#define STARTING (UINT32_C(1) << 30)
#define CLEARING UINT64_C(1)

static struct {
	_Atomic uint32_t door;    /* senders under way, and OPEN or STARTING */
	_Atomic uint32_t holding; /* sockets held, letters under way included */
	_Atomic bool forbidden;   /* no thread may be started any more */
	_Atomic bool dropping;    /* the thread gives up what it holds */
	_Atomic int64_t ended;    /* ms: when the thread said that it ends */
	pid_t thread;
	_Atomic uint64_t process; /* cn_process() << 1 of the thread's, or CLEARING */
	uint64_t secret;
	struct sockaddr_un address[DOORS_MOST];
	socklen_t address_length[DOORS_MOST];
	_Atomic uint32_t doors;   /* how many there are */
	_Atomic uint32_t turn;    /* the number of the next letter, and so whose turn it is to get it */
	_Atomic uint32_t letters; /* dropped since the thread last looked */
	_Atomic uint32_t alarm;   /* not 0: no rest now */

	/* The thread's own, by number in its descriptor table. */
	struct held *held;
	struct pollfd at_door[DOORS_MOST];
	int top; /* no number from here on is used */
	uint32_t count, most;
	int epoll;
	bool stuck; /* a letter lies there and can't be taken */
} linger;

/* --- the background --- */

/* One is held no more: exit may wait for that. */
static void let_go(void)
{
	if (atomic_fetch_sub(&linger.holding, 1) == 1)
		syscall(SYS_futex, &linger.holding, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void watch(int fd, bool watched)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (watched != linger.held[fd].watched)
		epoll_ctl(linger.epoll, watched ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
	linger.held[fd].watched = watched;
}

static void give_up(int fd, enum cn_after after)
{
	cn_settle_tell(&linger.held[fd].settling, fd, after);
	/* The program's own descriptor may outlive ours, as at exit, and would wake us for ever. */
	watch(fd, false);
	cn_libc()->close(fd);
	if (linger.held[fd].alert)
		munmap(linger.held[fd].alert, CN_REST_MOST);
	linger.held[fd].used = false;
	linger.count--;
	let_go();
}

static void give_up_oldest(void)
{
	int oldest = -1;

	for (int fd = 0; fd < linger.top; fd++) {
		if (linger.held[fd].used &&
		    (oldest < 0 || (int32_t)(linger.held[fd].number - linger.held[oldest].number) < 0))
			oldest = fd;
	}
	if (oldest >= 0)
		give_up(oldest, CN_AFTER_EVICTED);
}

/* How many sockets it can hold. */
static uint32_t most(void)
{
	struct rlimit limit;
	uint32_t numbers = NUMBERS;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < NUMBERS)
		numbers = (uint32_t)limit.rlim_cur;
	if (numbers < 1024) /* see open_doors() */
		return numbers > 32 ? numbers - 16 : numbers / 2;
	return numbers - NUMBERS_OWN;
}

/* Takes one letter from the door; -1 when there is none. Letters that are not ours are dropped, descriptors
 * closed. */
static bool take_letter(int door)
{
	union {
		char room[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct letter letter;
	struct iovec part = {.iov_base = &letter, .iov_len = sizeof(letter)};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.room,
				 .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(door, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	enum cn_after after;
	struct held *h;
	int fd = -1;

	if (got < 0) {
		linger.stuck |= errno != EAGAIN && errno != EINTR;
		return false;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	}
	if ((size_t)got < sizeof(letter.head) || (size_t)got != sizeof(letter.head) + letter.head.rest ||
	    letter.head.secret != linger.secret) {
		if (fd >= 0)
			cn_libc()->close(fd);
		return true;
	}
	if (fd < 0 || fd >= (int)NUMBERS) { /* lost for want of a number */
		let_go();
		if (fd >= 0)
			cn_libc()->close(fd);
		return true;
	}
	h = &linger.held[fd];
	*h = (struct held){.used = true, .number = letter.head.number};
	if (letter.head.rest && (h->alert = cn_map(CN_REST_MOST)))
		memcpy(h->alert, letter.alert, letter.head.rest);
	cn_settle_begin(&h->settling, letter.head.cookie, h->alert ? letter.head.rest : 0,
			letter.head.talking);
	linger.count++;
	if (fd >= linger.top)
		linger.top = fd + 1;
	after = cn_settled(&h->settling, fd, h->alert, cn_now_ms());
	if (after != CN_AFTER_NOTHING) /* while the letter lay there */
		give_up(fd, after);
	else
		watch(fd, !h->settling.ended);
	if (linger.count >= linger.most)
		give_up_oldest();
	return true;
}

/* The kernel picks an abstract name. */
static bool open_door(uint32_t number)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX};
	int door = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = DOOR};

	linger.at_door[number] = (struct pollfd){.fd = door, .events = POLLIN};
	linger.address_length[number] = sizeof(linger.address[number]);
	if (door >= 0 && !bind(door, (struct sockaddr *)&any, sizeof(sa_family_t)) &&
	    !getsockname(door, (struct sockaddr *)&linger.address[number], &linger.address_length[number]) &&
	    !epoll_ctl(linger.epoll, EPOLL_CTL_ADD, door, &event))
		return true;
	if (door >= 0)
		cn_libc()->close(door);
	return false;
}

/* Where numbers are few, they are for sockets. */
static void open_doors(uint32_t wanted)
{
	uint32_t doors = atomic_load(&linger.doors), few = linger.most / 128 + 1;

	if (wanted > few)
		wanted = few;
	while (doors < wanted && doors < DOORS_MOST && open_door(doors))
		atomic_store(&linger.doors, ++doors);
}

static void take_letters(void)
{
	uint32_t doors = atomic_load(&linger.doors);
	bool crowded = atomic_exchange(&linger.letters, 0) > doors * LETTERS_WAIT, at_all;

	linger.most = most();
	/* It fails where RLIMIT_NOFILE has been made less than there are doors. */
	at_all = poll(linger.at_door, doors, 0) < 0;
	for (uint32_t i = 0; i < doors; i++) {
		while ((at_all || linger.at_door[i].revents) && take_letter(linger.at_door[i].fd))
			;
	}
	if (crowded)
		open_doors(2 * doors);
}

/* Looks at every socket whose time has come, or that has something to read; returns the ms until the next. */
static int look_around(const struct epoll_event *events, int count)
{
	int64_t now = cn_now_ms(), next = now + IDLE_MS;

	for (int e = 0; e < count; e++) {
		if (events[e].data.fd == DOOR)
			take_letters();
		else
			linger.held[events[e].data.fd].settling.next = now;
	}
	while (linger.top > 0 && !linger.held[linger.top - 1].used)
		linger.top--;
	for (int fd = 0; fd < linger.top; fd++) {
		struct held *h = &linger.held[fd];
		struct cn_settling *one = &h->settling;
		enum cn_after after = CN_AFTER_NOTHING;

		if (fd % 64 == 63) /* a closing program waits for no long round */
			take_letters();
		if (!h->used)
			continue;
		if (atomic_load(&linger.dropping)) {
			give_up(fd, CN_AFTER_EVICTED);
			continue;
		}
		if (one->talking && cn_settle_exiting())
			one->next = now;
		if (one->next <= now && (after = cn_settled(one, fd, h->alert, now)) != CN_AFTER_NOTHING) {
			give_up(fd, after);
			continue;
		}
		if (one->ended) /* its EOF would wake us for ever */
			watch(fd, false);
		if (one->next < next)
			next = one->next;
	}
	return (int)(next - now);
}

static void wake(void)
{
	atomic_store(&linger.alarm, 1);
	syscall(SYS_futex, &linger.alarm, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* To wake a thread costs the program more than all else of a hand-over. So one that has had letters looks for more only
 * after a rest, as a network card is polled that has much to say. */
static void rest(void)
{
	const struct timespec pause = {.tv_nsec = REST_MS * 1000000L};

	syscall(SYS_futex, &linger.alarm, FUTEX_WAIT_PRIVATE, 0, &pause, NULL, 0);
	atomic_store(&linger.alarm, 0);
}

static void serve(void)
{
	struct epoll_event events[64];
	int64_t idle_since = cn_now_ms();
	uint32_t seen = atomic_load(&linger.turn);
	int wait = IDLE_MS;

	for (;;) {
		int count = epoll_wait(linger.epoll, events, 64, wait);
		uint32_t open = OPEN, turn = atomic_load(&linger.turn);

		if (count < 0 || linger.stuck || (turn != seen && !cn_settle_exiting()))
			rest();
		linger.stuck = false;
		seen = turn;
		wait = look_around(events, count > 0 ? count : 0);
		if (atomic_load(&linger.holding)) {
			idle_since = cn_now_ms();
		} else if (cn_now_ms() - idle_since >= IDLE_MS || atomic_load(&linger.forbidden)) {
			atomic_store(&linger.ended, cn_now_ms());
			if (atomic_compare_exchange_strong(&linger.door, &open, 0))
				return; /* the descriptor table goes with the thread */
			atomic_store(&linger.ended, INT64_MAX); /* somebody has come in */
		}
	}
}

static void wake_starter(uint32_t door)
{
	atomic_store(&linger.door, door);
	syscall(SYS_futex, &linger.door, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* A table of its own, in which the log alone is left. */
static bool unshare_descriptors(void)
{
	unsigned int log = (unsigned int)cn_sink_keep();

	if (log == UINT_MAX)
		return syscall(SYS_close_range, 0, UINT_MAX, CLOSE_UNSHARE) == 0;
	return syscall(SYS_close_range, log + 1, UINT_MAX, CLOSE_UNSHARE) == 0 &&
	       (log == 0 || syscall(SYS_close_range, 0, log - 1, 0) == 0);
}

static void *background(void *unused)
{
	uint32_t doors;

	cn_inside = 1;
	atomic_store(&linger.doors, 0);
	atomic_store(&linger.ended, INT64_MAX);
	linger.thread = (pid_t)syscall(SYS_gettid);
	if (unshare_descriptors()) {
		linger.epoll = cn_libc()->epoll_create1(EPOLL_CLOEXEC);
		linger.most = most();
		if (linger.epoll >= 0)
			open_doors(DOORS_FIRST);
	}
	doors = atomic_load(&linger.doors);
	wake_starter(doors ? OPEN : 0);
	if (doors)
		serve();
	return unused;
}

static bool allocate(void)
{
	if (!linger.held)
		linger.held = cn_map((size_t)NUMBERS * sizeof(*linger.held));
	if (!linger.secret && syscall(SYS_getrandom, &linger.secret, sizeof(linger.secret), 1) < 0)
		return false;
	return linger.held;
}

/* pthread_create allocates, so not in a signal handler. */
static void start(void)
{
	uint32_t closed = 0;
	sigset_t all, old;
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (atomic_load(&linger.forbidden) || cn_in_handler() ||
	    !atomic_compare_exchange_strong(&linger.door, &closed, STARTING))
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	error = allocate() ? pthread_create(&thread, &attributes, background, NULL) : ENOMEM;
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		wake_starter(0);
}

/* Until the thread takes letters: some 100 microseconds, and only for the first sockets at risk. */
static bool wait_for_door(void)
{
	const struct timespec patience = {.tv_nsec = 50000000};

	while (atomic_load(&linger.door) == STARTING) {
		if (syscall(SYS_futex, &linger.door, FUTEX_WAIT_PRIVATE, STARTING, &patience, NULL, 0) &&
		    errno != EAGAIN && errno != EINTR)
			break;
	}
	return atomic_load(&linger.door) & OPEN;
}

/* --- the program's threads --- */

/* After a fork the thread has stayed in the parent; the first who comes clears its things away, others wait for that. */
static void move_in(void)
{
	uint64_t self = (uint64_t)cn_process() << 1, seen = atomic_load(&linger.process);

	while (seen != self) {
		if (seen != (self | CLEARING) &&
		    atomic_compare_exchange_strong(&linger.process, &seen, self | CLEARING)) {
			if (linger.held)
				memset(linger.held, 0, (size_t)linger.top * sizeof(*linger.held));
			linger.top = 0;
			linger.count = 0;
			linger.thread = 0;
			atomic_store(&linger.holding, 0);
			atomic_store(&linger.door, 0);
			atomic_store(&linger.process, self);
		}
		sched_yield();
		seen = atomic_load(&linger.process);
	}
}

static bool is_ours(void)
{
	return atomic_load(&linger.process) == (uint64_t)cn_process() << 1;
}

static bool come_in(void)
{
	uint32_t door;

	move_in();
	door = atomic_load(&linger.door);
	if (!(door & OPEN)) {
		start(); /* or another thread of the program does */
		if (!wait_for_door())
			return false;
	}
	do {
		door = atomic_load(&linger.door);
		if (!(door & OPEN))
			return false;
	} while (!atomic_compare_exchange_weak(&linger.door, &door, door + 1));
	return true;
}

/* One of the doors, the least used first; when all are full, until there is room behind the last. */
static bool drop_letter(int out, struct msghdr *message, uint32_t turn)
{
	uint32_t doors = atomic_load(&linger.doors);

	for (uint32_t try = 0; try <= doors; try++) {
		uint32_t number = (turn + try) % doors;
		struct pollfd room = {.fd = out, .events = POLLOUT};

		message->msg_name = &linger.address[number];
		message->msg_namelen = linger.address_length[number];
		if (try == doors && (connect(out, message->msg_name, message->msg_namelen) ||
				     poll(&room, 1, DOOR_WAIT_MS) != 1))
			return false;
		if (cn_libc()->sendmsg(out, message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
			if (atomic_fetch_add(&linger.letters, 1) == doors * LETTERS_WAIT)
				wake();
			return true;
		}
		if (errno != EAGAIN && errno != EINTR)
			return false;
	}
	return false;
}

static bool post(int fd, uint64_t cookie, const unsigned char *rest, size_t length, bool talking)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.room = {0}};
	struct letter_head head = {.secret = linger.secret,
				   .cookie = cookie,
				   .number = atomic_fetch_add(&linger.turn, 1),
				   .rest = length,
				   .talking = talking};
	struct iovec parts[] = {{.iov_base = &head, .iov_len = sizeof(head)},
				{.iov_base = (void *)rest, .iov_len = length}};
	struct msghdr message = {.msg_iov = parts,
				 .msg_iovlen = 2,
				 .msg_control = control.room,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool posted;

	if (out < 0)
		return false;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	posted = drop_letter(out, &message, head.number);
	cn_libc()->close(out);
	return posted;
}

bool cn_linger_adopt(int fd, uint64_t cookie, const unsigned char *rest, size_t length, bool talking)
{
	bool posted;

	if (length > CN_REST_MOST || !cn_config.timeout_ms || !cn_config.linger_ms || !come_in())
		return false;
	atomic_fetch_add(&linger.holding, 1);
	posted = post(fd, cookie, rest, length, talking);
	if (!posted)
		let_go();
	atomic_fetch_sub(&linger.door, 1);
	return posted;
}

/* Wakes the thread, whatever it waits for. */
static void stir(void)
{
	const struct msghdr empty = {.msg_name = &linger.address[0], .msg_namelen = linger.address_length[0]};
	int out = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (out < 0)
		return;
	cn_libc()->sendmsg(out, &empty, MSG_DONTWAIT | MSG_NOSIGNAL);
	cn_libc()->close(out);
	wake();
}

void cn_linger_exit_begins(void)
{
	unsigned int early;

	/* A little before cn_linger_finish() gives up, so that what became of them can still be told. */
	early = cn_config.timeout_ms < 10 * TELL_MS ? cn_config.timeout_ms / 10 : TELL_MS;
	cn_settle_exit_by(cn_now_ms() + cn_config.timeout_ms - early);
	if (is_ours() && atomic_load(&linger.door) & OPEN && atomic_load(&linger.holding))
		stir();
}

void cn_linger_finish(void)
{
	int64_t end = cn_now_ms() + cn_config.timeout_ms;
	uint32_t holding;

	if (!is_ours())
		return;
	while ((holding = atomic_load(&linger.holding)) != 0) {
		int64_t left = end - cn_now_ms();
		struct timespec patience = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};

		if (left <= 0 ||
		    (syscall(SYS_futex, &linger.holding, FUTEX_WAIT_PRIVATE, holding, &patience, NULL, 0) &&
		     errno == ETIMEDOUT))
			return;
	}
}

/* Until the thread is no more. Its number may be another's by now, so not for ever. */
static void wait_for_end(void)
{
	const struct timespec pause = {.tv_nsec = 200000};

	while (linger.thread && syscall(SYS_tgkill, getpid(), linger.thread, 0) == 0 &&
	       cn_now_ms() - ENDING_MS < atomic_load(&linger.ended))
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

bool cn_linger_stop(void)
{
	if (atomic_exchange(&linger.forbidden, true))
		return false;
	if (!is_ours())
		return true;
	if (wait_for_door()) {
		atomic_store(&linger.dropping, true);
		stir();
	}
	wait_for_end(); /* one that takes no letters any more may still be on its way out */
	atomic_store(&linger.dropping, false);
	return true;
}

void cn_linger_allow(void)
{
	atomic_store(&linger.forbidden, false);
}

/* Once main has called pthread_exit, the last thread to end calls exit(). That must not be ours: in its own descriptor
 * table stdio would flush into nothing. */
void cn_linger_end_for_good(void)
{
	if (atomic_exchange(&linger.forbidden, true) || !is_ours())
		return;
	cn_linger_finish();
	wait_for_end();
}
