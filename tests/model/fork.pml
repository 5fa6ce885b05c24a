/* SPDX-License-Identifier: MIT
 * Who holds a connection (shim/process.c): two threads of a program fork at the same instant, each child speaks on, or
 * closes, or is killed at any moment, before it has run as well; then the program ends the connection. What is one atomic
 * access in C is one step here.
 *
 *     never a goodbye while a child may speak    !holds of each when it is said
 *     never none for those who are gone          !held at the end
 *
 * -DBREAK=1: the share is written over, not compared and swapped; 2: a child lists itself when it runs; 3: the parent does
 * not tell who its child is. Each must be seen to fail. */
#ifndef BREAK
#define BREAK 0
#endif

#define NOBODY 0
#define UNBORN 1
#define KNOWN  2

byte share;          /* conn->share: 0 none, else 1 or 2 */
bool listed[4];      /* a share's bits: listed[2 * (share - 1) + child] */
byte who[2];         /* the family's list */
bool holds[2];       /* really: it lives and has the socket */
bool said;
byte forks_left = 2, lives_left = 2;

proctype child(byte c; byte its)
{
	if /* killed before it has run */
	:: true -> goto gone
	:: true
	fi;
	if
	:: atomic { who[c] == UNBORN -> who[c] = KNOWN }
	:: else
	fi;
#if BREAK == 2
	listed[2 * (its - 1) + c] = true;
#endif
	if
	:: true -> assert(!said) /* speaks on */
	:: true -> holds[c] = false; listed[2 * (its - 1) + c] = false /* closes */
	:: true
	fi;
gone:
	holds[c] = false;
	lives_left--
}

proctype forker(byte c)
{
	byte its;

	its = share; /* share_of */
	if
	:: its == 0 ->
#if BREAK == 1
		its = c + 1;
		share = its
#else
		atomic {
			if
			:: share == 0 -> its = c + 1; share = its
			:: else -> its = share
			fi
		}
#endif
	:: else
	fi;
	who[c] = UNBORN;
#if BREAK != 2
	listed[2 * (its - 1) + c] = true;
#endif
	atomic { holds[c] = true; run child(c, share) }
#if BREAK != 3
	if /* cn_fork_over */
	:: atomic { who[c] == UNBORN -> who[c] = KNOWN }
	:: else
	fi;
#endif
	forks_left--
}

/* cn_share_held_elsewhere, by the share as it is now. */
inline ask(held)
{
	byte at;

	held = false;
	for (at : 0 .. 1) {
		if
		:: listed[2 * (share - 1) + at] && (who[at] == UNBORN || holds[at]) -> held = true
		:: else
		fi
	}
}

init {
	bool held;

	atomic { run forker(0); run forker(1) }
	forks_left == 0;
	ask(held);
	if
	:: !held ->
		assert(!holds[0] && !holds[1]);
		said = true
	:: else
	fi;
	lives_left == 0;
	ask(held);
	assert(!held)
}
