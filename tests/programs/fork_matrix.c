/* SPDX-License-Identifier: MIT
 * Plays scripts of two processes and one connection, a script for each connection, one after another.
 *
 *     fork_matrix PORT TLS <SCRIPTS    one script a line, such as:
 *
 *     P.shake P.write fork C.write P.close P.exit C.write C.free C.close C.exit
 *
 * P is a process of its own that has connected to the judge; fork, vfork, _fork (without atfork handlers), raw (the
 * system call), spawn and spawn_close (posix_spawn, which closes the descriptor or leaves it) make the child C. Every
 * step is over before the next begins; what is left of the two at the end is killed. Prints what the calls of each
 * script returned, and how the processes ended. */
#include "../rude/rude.h"

#include <netinet/tcp.h>
#include <sys/prctl.h>

#define BYTES 100 /* of each write */

enum { P, C };

static struct rude r;
static int control[2][2], report[2];

static const struct {
	const char *name;
	char command;
} verbs[] = {
	{"shake", 'h'},       {"write", 'w'},  {"hear", 'p'},      {"close", 'c'},        {"free", 'f'},
	{"exit", 'e'},        {"_exit", '_'},  {"exec", 'x'},      {"exec_without", 'X'}, {"killed", 'k'},
	{"fork", 'F'},        {"vfork", 'V'},  {"_fork", 'U'},     {"raw", 'R'},          {"spawn", 'S'},
	{"spawn_close", 's'}, {"chroot", 'r'}, {"main_ends", 'm'},
};

/* --- in the two processes --- */

static void answer(int what)
{
	if (write(report[1], &what, sizeof(what)) != sizeof(what))
		rude_fail("report");
}

/* cat holds what it has inherited, and says so by echoing. */
static int become_cat(int who, bool without)
{
	if (without)
		fcntl(r.fd, F_SETFD, FD_CLOEXEC);
	if (dup2(control[who][0], 0) < 0 || dup2(report[1], 1) < 0)
		rude_fail("dup2");
	execl("/bin/cat", "cat", (char *)NULL);
	return errno;
}

static void spawn_cat(bool closes)
{
	posix_spawn_file_actions_t actions;
	char *words[] = {"cat", NULL};
	pid_t child;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, control[C][0], 0);
	posix_spawn_file_actions_adddup2(&actions, report[1], 1);
	if (closes)
		posix_spawn_file_actions_addclose(&actions, r.fd);
	if (posix_spawn(&child, "/bin/cat", &actions, NULL, words, environ))
		rude_fail("posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	answer(child);
}

static void __attribute__((noreturn)) obey(int who);

/* The child never comes back from here; it says itself who it is, for after vfork its parent can't. */
static __attribute__((noinline)) void bear(char how)
{
	pid_t child = how == 'F'   ? fork()
		      : how == 'V' ? vfork()
		      : how == 'U' ? _Fork()
				   : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (child < 0)
		rude_fail("fork");
	if (!child) {
		answer(getpid());
		obey(C);
	}
}

static void *obey_as_thread(void *who)
{
	struct timespec pause = {.tv_nsec = 1000000};
	char path[64], line[256] = "";

	/* Until the first thread is a zombie, which nothing tells of but /proc. */
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	while (!strstr(line, ") Z")) {
		FILE *file = fopen(path, "r");

		if (!file || !fgets(line, sizeof(line), file))
			rude_fail(path);
		fclose(file);
		nanosleep(&pause, NULL);
	}
	answer(0);
	obey(*(int *)who);
}

/* The process goes on without its first thread. */
static void __attribute__((noreturn)) end_main(int who)
{
	static int as;
	pthread_t thread;

	as = who;
	if (pthread_create(&thread, NULL, obey_as_thread, &as))
		rude_fail("pthread_create");
	pthread_exit(NULL);
}

static int listen_to_judge(void)
{
	struct pollfd readable = {.fd = r.fd, .events = POLLIN};

	return poll(&readable, 1, 30000) == 1 ? 0 : ETIMEDOUT;
}

static int call(int who, char command)
{
	static const char letters[BYTES] = "abcdefghijklmnopqrstuvwxyz";

	switch (command) {
	case 'h':
		return SSL_do_handshake(r.ssl) == 1 ? 0 : EPROTO;
	case 'w':
		return SSL_write(r.ssl, letters, BYTES) == BYTES ? 0 : EPROTO;
	case 'p':
		return listen_to_judge();
	case 'c':
		return close(r.fd) ? errno : 0;
	case 'f':
		SSL_free(r.ssl);
		return 0;
	case 'e':
		exit(0);
	case '_':
		_exit(0);
	case 'r':
		return chroot("/proc/self/fdinfo") || chdir("/") ? errno : 0;
	case 'm':
		end_main(who);
	case 'x':
	case 'X':
		return become_cat(who, command == 'X');
	default:
		return EINVAL;
	}
}

static void obey(int who)
{
	char command;

	while (read(control[who][0], &command, 1) == 1) {
		if (strchr("FVUR", command))
			bear(command);
		else if (strchr("Ss", command))
			spawn_cat(command == 's');
		else
			answer(call(who, command));
	}
	rude_vanish();
}

static void __attribute__((noreturn)) be_parent(void)
{
	int on = 1;

	r.fd = rude_tcp(&r);
	/* Else the judge hears late of what is little. */
	if (setsockopt(r.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		rude_fail("TCP_NODELAY");
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	answer(0);
	obey(P);
}

/* --- in the process that plays --- */

static pid_t pids[2];
static int lives[2]; /* pidfds, -1 once dead */

static void __attribute__((noreturn)) give_up(const char *what)
{
	for (int who = P; who <= C; who++)
		if (pids[who] && lives[who] >= 0)
			kill(pids[who], SIGKILL);
	rude_fail(what);
}

/* From `who`, unless it dies first. */
static int hear(int who)
{
	struct pollfd events[] = {{.fd = report[0], .events = POLLIN}, {.fd = lives[who], .events = POLLIN}};
	int what;

	if (poll(events, 2, 30000) <= 0 || !events[0].revents ||
	    read(report[0], &what, sizeof(what)) != sizeof(what))
		give_up("no answer");
	return what;
}

static void born(int who, pid_t pid)
{
	pids[who] = pid;
	lives[who] = (int)syscall(SYS_pidfd_open, pid, 0);
	if (lives[who] < 0)
		rude_fail("pidfd_open");
}

static void see_dead(int who)
{
	struct pollfd dead = {.fd = lives[who], .events = POLLIN};

	if (poll(&dead, 1, 30000) != 1)
		give_up("it lives on");
	close(lives[who]);
	lives[who] = -1;
}

static void tell(int who, const void *what, size_t size)
{
	if (write(control[who][1], what, size) != (ssize_t)size)
		give_up("control");
}

static void play_step(const char *step)
{
	int who = *step == 'C' ? C : P, nothing = 0;
	const char *name = strchr(step, '.') ? strchr(step, '.') + 1 : step;
	char command = 0;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verbs[i].name, name))
			command = verbs[i].command;
	if (!command || !pids[who] || lives[who] < 0)
		give_up(step);
	if (command == 'k') {
		kill(pids[who], SIGKILL);
		see_dead(who);
		return;
	}
	tell(who, &command, 1);
	if (strchr("e_", command)) {
		see_dead(who);
	} else if (strchr("FVURSs", command)) {
		born(C, hear(P));
		if (strchr("Ss", command)) { /* it is cat already: let it say so */
			tell(C, &nothing, sizeof(nothing));
			printf(" %d", hear(C));
		}
	} else {
		if (strchr("xX", command))
			tell(who, &nothing, sizeof(nothing));
		printf(" %d", hear(who));
	}
}

static void bury(int who)
{
	int status;

	if (!pids[who])
		return;
	if (lives[who] >= 0) {
		kill(pids[who], SIGKILL);
		see_dead(who);
	}
	if (waitpid(pids[who], &status, 0) != pids[who])
		rude_fail("waitpid");
	printf(" %c:%d", who == P ? 'P' : 'C', status);
	pids[who] = 0;
}

static void play(char *script)
{
	pid_t parent = fork();
	char *rest = NULL;

	if (parent < 0)
		rude_fail("fork");
	if (!parent)
		be_parent();
	born(P, parent);
	hear(P);
	for (char *step = strtok_r(script, " ", &rest); step; step = strtok_r(NULL, " ", &rest))
		play_step(step);
	bury(P);
	bury(C);
	printf("\n");
}

/* The first handshake of a process costs several others; so it is made here, where all inherit what it leaves. */
static void warm_up(void)
{
	r.fd = rude_tcp(&r);
	r.ssl = rude_session(&r);
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	if (SSL_shutdown(r.ssl) < 0)
		rude_fail("SSL_shutdown");
	SSL_free(r.ssl);
	close(r.fd);
}

int main(int argc, char **argv)
{
	char *scripts = NULL, *rest = NULL;
	size_t size = 0;

	signal(SIGPIPE, SIG_IGN); /* a write that comes too late fails */
	r = rude_arguments(argc, argv);
	/* Orphans come to us; nobody but us may hold what tells a process to go on. */
	if (pipe(control[P]) || pipe(control[C]) || pipe(report) || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		rude_fail("pipe");
	/* What stdio holds, the children have as well, and exit() writes it, or seeks back to the place it stands for. */
	if (getdelim(&scripts, &size, '\0', stdin) < 0)
		rude_fail("stdin");
	setvbuf(stdout, NULL, _IOFBF, 0);
	/* What a process tidies up at exit costs more than all else. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
	r.ctx = rude_context(&r);
	warm_up();
	for (char *script = strtok_r(scripts, "\n", &rest); script; script = strtok_r(NULL, "\n", &rest)) {
		fflush(stdout);
		play(script);
	}
	free(scripts);
	return 0;
}
