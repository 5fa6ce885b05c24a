/* SPDX-License-Identifier: MIT
 * Tells helgrind what C11 atomics mean, which it does not know: what one thread did before it stored is seen by the
 * thread that loads it. Included before all else in a build of the library for tests/races; then a report is a race,
 * in OpenSSL's memory as well, where the thread sanitizer is blind. Relaxed accesses order nothing. */
#ifndef HAPPENS_BEFORE_H
#define HAPPENS_BEFORE_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h> /* helgrind.h redefines nothing of these */
#include <valgrind/helgrind.h>

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_fetch_or
#undef atomic_fetch_and
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_flag_test_and_set
#undef atomic_flag_clear

#define HB_SENT(at, order)                                                                                   \
	do {                                                                                                 \
		if ((order) != memory_order_relaxed)                                                         \
			ANNOTATE_HAPPENS_BEFORE((void *)(at));                                               \
	} while (0)
#define HB_SEEN(at, order)                                                                                   \
	do {                                                                                                 \
		if ((order) != memory_order_relaxed)                                                         \
			ANNOTATE_HAPPENS_AFTER((void *)(at));                                                \
	} while (0)
#define HB_VALUE(at) __typeof__((void)0, *(at))

#define atomic_load_explicit(at, order)                                                                      \
	({                                                                                                   \
		__auto_type hb_at = (at);                                                                    \
		HB_VALUE(hb_at) hb_value;                                                                    \
		__atomic_load(hb_at, &hb_value, order);                                                      \
		HB_SEEN(hb_at, order);                                                                       \
		hb_value;                                                                                    \
	})

/* By exchange, which helgrind does not take for a plain store. */
#define atomic_store_explicit(at, value, order)                                                              \
	({                                                                                                   \
		__auto_type hb_at = (at);                                                                    \
		HB_VALUE(hb_at) hb_value = (value), hb_old;                                                  \
		HB_SENT(hb_at, order);                                                                       \
		__atomic_exchange(hb_at, &hb_value, &hb_old, __ATOMIC_SEQ_CST);                              \
	})

#define atomic_exchange(at, value)                                                                           \
	({                                                                                                   \
		__auto_type hb_at = (at);                                                                    \
		HB_VALUE(hb_at) hb_value = (value), hb_old;                                                  \
		HB_SENT(hb_at, memory_order_seq_cst);                                                        \
		__atomic_exchange(hb_at, &hb_value, &hb_old, __ATOMIC_SEQ_CST);                              \
		HB_SEEN(hb_at, memory_order_seq_cst);                                                        \
		hb_old;                                                                                      \
	})

#define HB_FETCH(how, at, value, order)                                                                      \
	({                                                                                                   \
		__auto_type hb_at = (at);                                                                    \
		HB_SENT(hb_at, order);                                                                       \
		__auto_type hb_old = how(hb_at, value, __ATOMIC_SEQ_CST);                                    \
		HB_SEEN(hb_at, order);                                                                       \
		hb_old;                                                                                      \
	})

#define atomic_compare_exchange_weak_explicit(at, expected, value, order, otherwise)                         \
	({                                                                                                   \
		__auto_type hb_at = (at);                                                                    \
		HB_VALUE(hb_at) hb_value = (value);                                                          \
		HB_SENT(hb_at, order);                                                                       \
		_Bool hb_done = __atomic_compare_exchange(hb_at, expected, &hb_value, 0, __ATOMIC_SEQ_CST,   \
							  __ATOMIC_SEQ_CST);                                 \
		HB_SEEN(hb_at, order);                                                                       \
		hb_done;                                                                                     \
	})

#define atomic_load(at)                             atomic_load_explicit(at, memory_order_seq_cst)
#define atomic_store(at, value)                     atomic_store_explicit(at, value, memory_order_seq_cst)
#define atomic_fetch_add_explicit(at, value, order) HB_FETCH(__atomic_fetch_add, at, value, order)
#define atomic_fetch_sub_explicit(at, value, order) HB_FETCH(__atomic_fetch_sub, at, value, order)
#define atomic_fetch_or_explicit(at, value, order)  HB_FETCH(__atomic_fetch_or, at, value, order)
#define atomic_fetch_and_explicit(at, value, order) HB_FETCH(__atomic_fetch_and, at, value, order)
#define atomic_fetch_add(at, value)                 HB_FETCH(__atomic_fetch_add, at, value, memory_order_seq_cst)
#define atomic_fetch_sub(at, value)                 HB_FETCH(__atomic_fetch_sub, at, value, memory_order_seq_cst)
#define atomic_fetch_or(at, value)                  HB_FETCH(__atomic_fetch_or, at, value, memory_order_seq_cst)
#define atomic_fetch_and(at, value)                 HB_FETCH(__atomic_fetch_and, at, value, memory_order_seq_cst)
#define atomic_compare_exchange_weak(at, expected, new)                                                      \
	atomic_compare_exchange_weak_explicit(at, expected, new, memory_order_seq_cst, memory_order_seq_cst)
#define atomic_compare_exchange_strong atomic_compare_exchange_weak
#define atomic_flag_test_and_set(at)   atomic_exchange((_Atomic _Bool *)(at), 1)
#define atomic_flag_clear(at)          atomic_store((_Atomic _Bool *)(at), 0)

#endif
