/* SPDX-License-Identifier: MIT
 * The gate of a connection (shim/conn.c), and who says goodbye under it (shim/ending.c): threads that go in and out of
 * the library, one that closes the descriptor, one that frees the session when they are done, and a stranger that takes
 * the number as soon as it is closed. What is one atomic access in C is one step here.
 *
 *     never two goodbyes                         goodbyes <= 1
 *     never one on a foreign socket              it is sent to ours
 *     never one by a session that is freed       !freed
 *     never one while a thread is inside         inside == 0
 *     never a lost one when nobody is inside     goodbyes == 1 at the end, if the close found nobody
 *
 * -DBREAK=1: claimed without looking; 2: the socket's identity is not looked at; 3: the session is not let go of while
 * it is claimed; 4: the freeing thread writes to the number, not to a copy that it holds; 5: what was said is not
 * remembered. Each must be seen to fail. */
#ifndef BREAK
#define BREAK 0
#endif

#define USERS 2

#define OURS    0
#define CLOSED  1
#define FOREIGN 2

byte gate;           /* threads inside, or about to find out that it is claimed */
bool gate_claimed;   /* the upper bit of the same word */
bool tracked = true; /* the number stands in the table */
bool session = true; /* the connection knows the session */
bool said, fin;
byte number = OURS;  /* what the program's descriptor is */
bool freed;          /* the session's memory */
byte inside;         /* threads really inside the library */
byte goodbyes;
byte users_left = USERS;
bool raw;            /* the close is a system call that nothing sees */
bool disturbed;      /* it was, or it found a thread inside: then none may be said */

/* cn_conn_claim: from 0 to CLAIMED in one step. Another claim is waited for, threads inside are not. */
inline claim(claimed)
{
#if BREAK == 1
	claimed = true
#else
	do
	:: atomic { gate_claimed -> skip }
	:: atomic { !gate_claimed && gate == 0 -> gate_claimed = true; claimed = true; break }
	:: atomic { !gate_claimed && gate > 0 -> claimed = false; break }
	od
#endif
}

/* cn_conn_release, if it was claimed. */
inline release(claimed)
{
	if
	:: claimed -> gate_claimed = false
	:: else
	fi
}

/* The middle of both ends, under the claim: the library is asked, the alert is made and sent to `socket`, of which the
 * cookie has been looked at. */
inline end(socket)
{
	if
	:: session ->
		assert(!freed);
		if
		:: !said && !fin && (socket == OURS || BREAK == 2) ->
			assert(inside == 0);
			assert(socket == OURS);
			goodbyes++;
			assert(goodbyes <= 1);
#if BREAK != 5
			said = true
#endif
		:: else
		fi
	:: else
	fi
}

/* A thread that reads or writes. */
proctype user()
{
	bool was_claimed;

	do /* cn_conn_enter */
	:: atomic { gate++; was_claimed = gate_claimed }
	   if
	   :: was_claimed -> gate--
	   :: else -> break
	   fi
	od;
	inside++;
	assert(!freed);
	inside--;
	gate--; /* cn_conn_leave */
	users_left--
}

/* close(), or shutdown() and close(): cn_end_descriptor, then the real one. The number is the caller's until then. */
proctype closer()
{
	bool claimed;

	if
	:: raw -> disturbed = true; goto really
	:: else
	fi;
	if
	:: true -> /* shutdown(SHUT_WR) first: the goodbye goes before the FIN, or not at all */
		claim(claimed);
		if
		:: claimed -> end(number)
		:: else -> disturbed = true
		fi;
		release(claimed);
		fin = true
	:: true
	fi;
	claim(claimed);
	if
	:: claimed -> end(number)
	:: else -> disturbed = true
	fi;
	tracked = false;
	release(claimed);
really:
	number = CLOSED;
	number = FOREIGN
}

/* SSL_free, by a program that knows that nobody uses the session any more: cn_end_session, then the real one. The
 * number may change at any time; the copy can't. */
proctype freer()
{
	bool claimed;
	byte copy;

	users_left == 0;
	claim(claimed);
	if
	:: claimed && tracked ->
		copy = number;
#if BREAK == 4
		if
		:: copy == OURS -> end(number)
		:: else
		fi
#else
		end(copy)
#endif
	:: else
	fi;
#if BREAK != 3
	session = false;
#endif
	release(claimed);
	freed = true;
	session = false
}

init {
	byte i;

	if
	:: raw = true
	:: raw = false
	fi;
	atomic {
		run closer();
		run freer();
		for (i : 1 .. USERS) {
			run user()
		}
	}
	_nr_pr == 1;
	assert(gate == 0 && !gate_claimed);
	assert(goodbyes == 1 || disturbed)
}
