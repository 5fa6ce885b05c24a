/* SPDX-License-Identifier: MIT
 * What an exception, or a cancelled thread, wants on its way through the hooks: that their clean-ups run. Invariant: the unwinder
 * that is at work does it; the library has none, and needs none to be loaded.
 *
 * The compiler names two functions of libgcc_s.so for that. To link with it would load it into every program. */
#include "object.h"

#include <stdatomic.h>
#include <string.h>
#include <unwind.h>

_Unwind_Reason_Code __gcc_personality_v0(int version, _Unwind_Action actions, _Unwind_Exception_Class kind,
					 struct _Unwind_Exception *exception,
					 struct _Unwind_Context *context);

typedef void resume(struct _Unwind_Exception *exception);
static resume *_Atomic known_resume;

/* Asked for each frame with a clean-up, by the unwinder. One that shows no such functions (linked into the program) passes by. */
_Unwind_Reason_Code __gcc_personality_v0(int version, _Unwind_Action actions, _Unwind_Exception_Class kind,
					 struct _Unwind_Exception *exception, struct _Unwind_Context *context)
{
	struct cn_object unwinder;
	void *asks, *resumes;
	__typeof__(&__gcc_personality_v0) real;
	resume *real_resume;

	if (!cn_object_at(__builtin_return_address(0), &unwinder) ||
	    !(asks = cn_object_symbol(&unwinder, "__gcc_personality_v0")) ||
	    !(resumes = cn_object_symbol(&unwinder, "_Unwind_Resume")))
		return _URC_CONTINUE_UNWIND;
	memcpy(&real, &asks, sizeof(real));
	memcpy(&real_resume, &resumes, sizeof(real_resume));
	atomic_store(&known_resume, real_resume);
	return real(version, actions, kind, exception, context);
}

/* After a clean-up: on to the next frame. */
void _Unwind_Resume(struct _Unwind_Exception *exception)
{
	atomic_load (&known_resume)(exception);
	__builtin_unreachable();
}
