/* SPDX-License-Identifier: MIT
 * What programs do while a socket that they have closed is still in the kernel's hands.
 *
 *     while_lingering PORT TLS N WHAT [alone]
 *
 * fork: a child exits at once. fork_lingers: the child makes and closes a connection of its own. closefrom: closes
 * every descriptor there is. descriptors: compares its list of descriptors. last_three, small_stack: closes with only 3
 * descriptors left, in a thread of 32 KB. pthread_exit: main ends before the process does, with output in stdio's buffer.
 * pollers: the socket is in epoll sets of all kinds, which are asked after its close. poller_by_copy, poller_by_first: in one,
 * by a number that is closed before another. sigio: it asked for SIGIO. under_filter: it installs a seccomp filter for all
 * threads. frees: main frees the session while another thread waits in close(). waits, waits_until_signal: its close() is to wait a minute for the peer (SO_LINGER); what had not been acknowledged
 * then, as the kernel shows it. alone: each process lives until it has no other thread. */
#include "rude.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

static struct rude r;

static void meet(void)
{
	r.fd = rude_tcp(&r);
	rude_speak(&r);
}

/* One bit for each number below 64. */
static unsigned long descriptors(void)
{
	unsigned long open = 0;

	for (int fd = 0; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			open |= 1UL << fd;
	return open;
}

static void *close_it(void *unused)
{
	close(r.fd);
	return unused;
}

#define STACK 32768
#define BELOW 262144

/* A jump of more than a page over the end of a stack meets no guard; so look at what lies below. */
static void in_small_stack(void)
{
	unsigned char *memory = aligned_alloc(4096, BELOW + STACK);
	pthread_attr_t attributes;
	pthread_t thread;
	int spoilt = 0;

	if (!memory)
		rude_fail("aligned_alloc");
	memset(memory, 0xaa, BELOW);
	pthread_attr_init(&attributes);
	if (pthread_attr_setstack(&attributes, memory + BELOW, STACK) ||
	    pthread_create(&thread, &attributes, close_it, NULL))
		rude_fail("pthread_create");
	pthread_join(thread, NULL);
	for (int i = 0; i < BELOW; i++)
		spoilt += memory[i] != 0xaa;
	printf("below the stack: %s\n", spoilt ? "spoilt" : "as before");
}

/* A number that no other descriptor has had. */
#define COPY 700

/* How many of the program's epoll sets report that its socket may be written to. */
static int reports(const int *pollers, int count)
{
	struct epoll_event event;
	int sum = 0;

	for (int i = 0; i < count; i++)
		sum += epoll_wait(pollers[i], &event, 1, 0);
	return sum;
}

static void in_epoll_sets(void)
{
	int pollers[4], count = 0;
	struct epoll_event event = {.events = EPOLLOUT};

	for (int i = 0; i < 2000; i++) { /* they come and go */
		int poller = epoll_create1(0);

		close(dup2(poller, COPY + i % 200));
		close(poller);
	}
	pollers[count++] = epoll_create(1);
	pollers[count++] = epoll_create1(0);
	pollers[count++] = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
	pollers[count++] = dup2(pollers[0], COPY);
	close(pollers[0]);
	pollers[0] = epoll_create1(0);
	for (int i = 0; i < count; i++)
		if (epoll_ctl(pollers[i], EPOLL_CTL_ADD, r.fd, &event))
			rude_fail("epoll_ctl");
	setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &(int){4 << 20}, sizeof(int));
	printf("before close %d of %d\n", reports(pollers, count), count);
	TELL(close(r.fd));
	printf("after close %d\n", reports(pollers, count));
}

/* A set keeps a socket until its last number is closed, and by then nothing takes it out. */
static void in_epoll_set_by_number(bool first)
{
	int poller = epoll_create1(0), copy = dup(r.fd);
	struct epoll_event event = {.events = EPOLLOUT};

	setsockopt(r.fd, SOL_SOCKET, SO_SNDBUF, &(int){4 << 20}, sizeof(int));
	if (epoll_ctl(poller, EPOLL_CTL_ADD, first ? r.fd : copy, &event))
		rude_fail("epoll_ctl");
	close(first ? r.fd : copy);
	printf("before close %d of 1\n", reports(&poller, 1));
	TELL(close(first ? copy : r.fd));
	printf("after close %d\n", reports(&poller, 1));
}

static void nothing(int signal)
{
	(void)signal;
}

/* The send queues of our port; another connection to elsewhere may have it too. */
static unsigned int unacknowledged(int port, int peer)
{
	FILE *table = fopen("/proc/net/tcp", "r");
	unsigned int sum = 0, found, other, queue;
	char line[256];

	if (!table)
		rude_fail("/proc/net/tcp");
	while (fgets(line, sizeof(line), table))
		if (sscanf(line, " %*d: %*x:%x %*x:%x %*x %x", &found, &other, &queue) == 3 &&
		    found == (unsigned int)port && other == (unsigned int)peer)
			sum += queue;
	fclose(table);
	return sum;
}

static void with_linger(const char *what)
{
	struct linger minute = {.l_onoff = 1, .l_linger = 60};
	struct itimerval ticks = {.it_value.tv_usec = 200000, .it_interval.tv_usec = 200000};
	struct sigaction handler = {.sa_handler = nothing};
	struct sockaddr_in own = {0}, peer = {0};
	socklen_t size = sizeof(own);

	sigaction(SIGALRM, &handler, NULL);
	if (setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &minute, sizeof(minute)) ||
	    getsockname(r.fd, (struct sockaddr *)&own, &size) ||
	    getpeername(r.fd, (struct sockaddr *)&peer, &size))
		rude_fail("SO_LINGER");
	if (!strcmp(what, "waits_until_signal"))
		setitimer(ITIMER_REAL, &ticks, NULL); /* the first may come before close() */
	TELL(close(r.fd));
	printf("unacknowledged: %s\n",
	       unacknowledged(ntohs(own.sin_port), ntohs(peer.sin_port)) ? "some" : "none");
}

static _Atomic bool closed;

static void *close_slowly(void *unused)
{
	close(r.fd);
	closed = true;
	return unused;
}

static void frees(void)
{
	struct linger minute = {.l_onoff = 1, .l_linger = 60};
	pthread_t thread;

	if (setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &minute, sizeof(minute)) ||
	    pthread_create(&thread, NULL, close_slowly, NULL))
		rude_fail("SO_LINGER");
	while (fcntl(r.fd, F_GETFD) >= 0) /* until that has begun */
		sched_yield();
	SSL_free(r.ssl);
	printf("freed %s\n", closed ? "after close" : "while another thread waits in close");
	rude_vanish();
}

/* A filter that allows all, for all threads: whom does it bind? */
static void under_filter(void)
{
	struct sock_filter rule = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &rule};
	DIR *tasks;
	int threads = -2; /* . and .. */

	TELL(close(r.fd));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rude_fail("PR_SET_NO_NEW_PRIVS");
	TELL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program));
	tasks = opendir("/proc/self/task");
	while (tasks && readdir(tasks))
		threads++;
	printf("threads %d\n", threads);
}

/* Its action is to end the process. */
static void with_sigio(void)
{
	sigset_t io;

	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	sigprocmask(SIG_BLOCK, &io, NULL);
	if (fcntl(r.fd, F_SETOWN, getpid()) || fcntl(r.fd, F_SETFL, fcntl(r.fd, F_GETFL) | O_ASYNC))
		rude_fail("O_ASYNC");
	TELL(close(r.fd));
	signal(SIGIO, SIG_IGN); /* what came before the close is forgotten */
	signal(SIGIO, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &io, NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 4 ? argv[4] : "";
	bool alone = argc > 5;
	unsigned long before;
	struct rlimit limit;
	pid_t child;

	r = rude_arguments(argc, argv);
	r.ctx = rude_context(&r);
	before = descriptors();
	meet();
	if (!strcmp(what, "small_stack")) {
		in_small_stack();
		if (alone)
			rude_alone();
		return 0;
	}
	if (!strcmp(what, "last_three")) {
		limit = (struct rlimit){.rlim_cur = 3, .rlim_max = 3};
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (!strcmp(what, "pollers"))
		in_epoll_sets();
	else if (!strncmp(what, "poller_by_", 10))
		in_epoll_set_by_number(!strcmp(what, "poller_by_first"));
	else if (!strncmp(what, "waits", 5))
		with_linger(what);
	else if (!strcmp(what, "frees"))
		frees();
	else if (!strcmp(what, "under_filter"))
		under_filter();
	else if (!strcmp(what, "sigio"))
		with_sigio();
	else
		TELL(close(r.fd));
	if (!strcmp(what, "descriptors"))
		printf("descriptors %lx\n", descriptors() ^ before);
	if (!strcmp(what, "fork") || !strcmp(what, "fork_lingers")) {
		child = fork();
		if (child == 0 && !strcmp(what, "fork_lingers")) {
			meet();
			TELL(close(r.fd));
			if (alone)
				rude_alone();
		}
		if (child == 0)
			return 0;
		rude_wait_for(child);
	}
	if (!strcmp(what, "closefrom"))
		closefrom(3);
	if (!strcmp(what, "pthread_exit")) {
		setvbuf(stdout, malloc(4096), _IOFBF, 4096);
		printf("the last word\n");
		pthread_exit(NULL);
	}
	if (alone)
		rude_alone();
	return 0;
}
