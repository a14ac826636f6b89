//! Looking into a running engine.
//!
//! Guarantees: as the module `ffi` says; a look changes nothing, and takes one object's lock at a time.

use super::types::td_message;
use super::{args, guard, receive};
use crate::engine as facade;
use crate::message as m;

/// What the threads of this process have done lately with the library, as text: lines in the order of their times,
/// each with its age in seconds (with ~: then, or a little later), the thread's number and name, the event, the ids it
/// concerns, and sizes; never payloads. Each thread's last 1,024 events are kept, always; xN stands for N in a row,
/// with their sizes added up.
///
/// Returns: 0; TD_ENOMEM.
/// Threads: any, at any time.
/// Blocks: no.
/// Owns: data of text is the text, without NUL; the caller releases it with td_message_release.
/// Since: 0.2
#[no_mangle]
pub unsafe extern "C" fn td_recorder_dump(text: *mut td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let out = unsafe { args::out("text", text.cast::<m::Message>())? };
        out.set(receive::shown(facade::recorder_dump()?));
        Ok(0)
    })
}
