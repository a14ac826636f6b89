//! Error codes, their texts, and the detail of the last failure.
//!
//! Guarantees: codes are append-only and equal to the engine's (checked when compiling); these functions cannot fail
//! and do not disturb the detail they read.

use crate::error as e;
use std::ffi::c_char;

/// Results: 0 is success, positive a count where documented, negative one of these. Codes are append-only.
///
/// success
pub const TD_OK: i32 = 0;
/// an argument is wrong; td_last_error names it
pub const TD_EINVAL: i32 = -1;
/// the id never was one of this kind
pub const TD_EBADID: i32 = -2;
/// the mailbox addressed is over
pub const TD_ENOPROC: i32 = -3;
/// another object is finished: ticket, timer, monitor, released message
pub const TD_ESTALE: i32 = -4;
/// what you were waiting on, yourself, ended
pub const TD_ECLOSED: i32 = -5;
/// there is no such name
pub const TD_ENOTFOUND: i32 = -6;
/// the name is taken
pub const TD_EEXIST: i32 = -7;
/// nothing is there now
pub const TD_EAGAIN: i32 = -8;
/// time is up
pub const TD_ETIMEDOUT: i32 = -9;
/// an interruptible wait was interrupted
pub const TD_EINTR: i32 = -10;
/// a bound is reached
pub const TD_EFULL: i32 = -11;
/// it can never fit
pub const TD_ETOOBIG: i32 = -12;
/// no memory
pub const TD_ENOMEM: i32 = -13;
/// the called mailbox ended before it replied
pub const TD_EDOWN: i32 = -14;
/// the ticket was dropped without a reply
pub const TD_ENOREPLY: i32 = -15;
/// the wait could never end
pub const TD_EDEADLK: i32 = -16;
/// the id belongs to the parent of this forked process
pub const TD_EFORKED: i32 = -17;
/// a panic inside the library was caught
pub const TD_EPANIC: i32 = -18;
/// a system call failed; td_last_error names it
pub const TD_ESYS: i32 = -19;
/// not on this platform or in this build
pub const TD_EUNSUPPORTED: i32 = -20;

const _: () = {
    use e::Error::*;
    assert!(TD_EINVAL == Inval as i32 && TD_EBADID == BadId as i32 && TD_ENOPROC == NoProc as i32);
    assert!(TD_ESTALE == Stale as i32 && TD_ECLOSED == Closed as i32 && TD_ENOTFOUND == NotFound as i32);
    assert!(TD_EEXIST == Exist as i32 && TD_EAGAIN == Again as i32 && TD_ETIMEDOUT == TimedOut as i32);
    assert!(TD_EINTR == Intr as i32 && TD_EFULL == Full as i32 && TD_ETOOBIG == TooBig as i32);
    assert!(TD_ENOMEM == NoMem as i32 && TD_EDOWN == Down as i32 && TD_ENOREPLY == NoReply as i32);
    assert!(TD_EDEADLK == Deadlock as i32 && TD_EFORKED == Forked as i32 && TD_EPANIC == Panic as i32);
    assert!(TD_ESYS == Sys as i32 && TD_EUNSUPPORTED == Unsupported as i32);
    assert!(e::Error::ALL.len() == -TD_EUNSUPPORTED as usize);
};

/// The name of a result: "TD_EFULL", or "TD_OK" for 0 and above.
///
/// Returns: static text; "TD_EUNKNOWN" for a code that this version does not have.
/// Threads: any.
/// Blocks: no.
/// Owns: the library keeps the text.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_err_name(code: i32) -> *const c_char {
    e::name(code).as_ptr().cast()
}

/// One sentence on a result.
///
/// Returns: static text.
/// Threads: any.
/// Blocks: no.
/// Owns: the library keeps the text.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_strerror(code: i32) -> *const c_char {
    e::text(code).as_ptr().cast()
}

/// Copies the detail of this thread's last failed call to buf: what exactly was wrong and what would be right.
/// Always NUL-terminated, cut to size bytes; buf may be NULL when size is 0. Any later call of this thread that
/// returns a result forgets the detail.
///
/// Returns: the full length without the NUL; 0 when there is no detail.
/// Threads: any; each has its own.
/// Blocks: no.
/// Owns: the caller keeps buf.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_last_error(buf: *mut c_char, size: usize) -> usize {
    e::with_detail(|detail| {
        if !buf.is_null() && size > 0 {
            let fits = floor_of_character(detail, size - 1);
            // SAFETY: the caller says that `size` bytes can be written at `buf`, and `fits` is less; the detail is
            // the library's own memory.
            unsafe {
                std::ptr::copy_nonoverlapping(detail.as_ptr(), buf.cast(), fits);
                buf.add(fits).write(0);
            }
        }
        detail.len()
    })
}

/// The largest length up to `most` that does not cut a character in two.
fn floor_of_character(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn last(size: usize) -> (usize, String) {
        let mut buf = vec![1 as c_char; size.max(1)];
        // SAFETY: the buffer has `size` bytes and is NUL-terminated afterwards.
        unsafe {
            let full = td_last_error(buf.as_mut_ptr(), size);
            let text =
                if size == 0 { String::new() } else { CStr::from_ptr(buf.as_ptr()).to_str().unwrap().to_owned() };
            (full, text)
        }
    }

    #[test]
    fn a_detail_is_cut_between_characters_and_always_terminated() {
        let _ = e::Error::Inval.because("aé!");
        assert_eq!(last(16), (4, "aé!".into()));
        assert_eq!(last(4), (4, "aé".into()));
        assert_eq!(last(3), (4, "a".into()));
        assert_eq!(last(1), (4, String::new()));
        assert_eq!(last(0), (4, String::new()));
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { td_last_error(std::ptr::null_mut(), 9) }, 4);
        e::clear_detail();
        assert_eq!(last(16), (0, String::new()));
    }

    #[test]
    fn every_code_has_its_name() {
        // SAFETY: static, NUL-terminated text.
        let name = |code| unsafe { CStr::from_ptr(td_err_name(code)) }.to_str().unwrap();
        assert_eq!((name(TD_OK), name(7), name(TD_EFULL), name(-99)), ("TD_OK", "TD_OK", "TD_EFULL", "TD_EUNKNOWN"));
        // SAFETY: as above.
        assert!(!unsafe { CStr::from_ptr(td_strerror(TD_EDEADLK)) }.to_bytes().is_empty());
    }
}
