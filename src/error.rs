//! Error codes, their names, and this thread's detail of the last failure.
//!
//! Guarantees: codes are append-only and are the numbers of the C header; making an error costs no allocation
//! unless a detail is added, so that "nothing now" stays cheap.

use crate::here::HERE;
use std::cell::RefCell;

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $name:literal, $text:literal;)+) => {
        /// Why a call failed. [`code`](Error::code) is the number that C sees.
        ///
        /// ```
        /// use tidings::{Address, Error};
        ///
        /// assert_eq!(Address::from_id(0).send(0, b"").unwrap_err(), Error::BadId);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum Error { $($(#[doc = $doc])+ $variant = $code,)+ }

        impl Error {
            /// Every error, in the order of the codes.
            pub(crate) const ALL: &'static [Error] = &[$(Error::$variant,)+];
        }

        /// `"TD_EFULL"` and the like, NUL-terminated; `"TD_OK"` for 0 and above.
        pub(crate) fn name(code: i32) -> &'static str {
            match code {
                0.. => "TD_OK\0",
                $($code => concat!($name, "\0"),)+
                _ => "TD_EUNKNOWN\0",
            }
        }

        /// One sentence on a code, NUL-terminated.
        pub(crate) fn text(code: i32) -> &'static str {
            match code {
                0.. => "success\0",
                $($code => concat!($text, "\0"),)+
                _ => "not an error code of this version of tidings\0",
            }
        }
    };
}

errors! {
    /// An argument is wrong.
    Inval = -1, "TD_EINVAL", "an argument is wrong";
    /// An id never was one of this kind.
    BadId = -2, "TD_EBADID", "the id never was one of this kind";
    /// The mailbox addressed is over.
    NoProc = -3, "TD_ENOPROC", "the mailbox addressed is over";
    /// Another finished object: ticket, timer, released message.
    Stale = -4, "TD_ESTALE", "the object is finished";
    /// What you were waiting on, yourself, ended.
    Closed = -5, "TD_ECLOSED", "what you were waiting on has ended";
    /// No such name or member.
    NotFound = -6, "TD_ENOTFOUND", "there is no such name";
    /// The name is taken.
    Exist = -7, "TD_EEXIST", "it exists already";
    /// Nothing now.
    Again = -8, "TD_EAGAIN", "nothing is there now";
    /// Time is up.
    TimedOut = -9, "TD_ETIMEDOUT", "time is up";
    /// An interruptible wait was interrupted.
    Intr = -10, "TD_EINTR", "a signal handler interrupted the wait";
    /// A bound is reached.
    Full = -11, "TD_EFULL", "the mailbox has reached its bound";
    /// It can never fit.
    TooBig = -12, "TD_ETOOBIG", "the message is larger than the mailbox may ever hold";
    /// No memory.
    NoMem = -13, "TD_ENOMEM", "no memory";
    /// The called mailbox ended.
    Down = -14, "TD_EDOWN", "the called mailbox ended before it replied";
    /// The ticket was dropped unused.
    NoReply = -15, "TD_ENOREPLY", "the ticket was dropped without a reply";
    /// The wait could never end.
    Deadlock = -16, "TD_EDEADLK", "the wait could never end";
    /// The id belongs to the parent of a fork.
    Forked = -17, "TD_EFORKED", "the id belongs to the parent of this forked process";
    /// A panic inside was caught.
    Panic = -18, "TD_EPANIC", "a panic inside the library was caught";
    /// A system call failed.
    Sys = -19, "TD_ESYS", "a system call failed";
    /// Not on this platform or in this build.
    Unsupported = -20, "TD_EUNSUPPORTED", "not supported on this platform or by this build";
}

/// The result of nearly everything.
///
/// ```
/// fn open() -> tidings::Result<tidings::Mailbox> {
///     tidings::Engine::shared()?.mailbox().open()
/// }
/// # open()?;
/// # Ok::<(), tidings::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

thread_local! {
    static DETAIL: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Error {
    /// The number that C sees.
    ///
    /// ```
    /// assert_eq!(tidings::Error::Full.code(), -11);
    /// ```
    #[inline]
    pub fn code(self) -> i32 {
        self as i32
    }

    /// Its name, the same in every language.
    ///
    /// ```
    /// assert_eq!(tidings::Error::Full.name(), "TD_EFULL");
    /// ```
    pub fn name(self) -> &'static str {
        name(self.code()).trim_end_matches('\0')
    }

    /// The error of this code; `None` for what is none.
    pub(crate) fn of(code: i32) -> Option<Error> {
        Error::ALL.iter().copied().find(|error| error.code() == code)
    }

    /// Notes what exactly was wrong, and what would be right, for `td_last_error` of this thread.
    #[cold]
    pub(crate) fn because(self, detail: impl Into<String>) -> Error {
        let detail = detail.into();
        let kept = DETAIL.try_with(|last| *last.borrow_mut() = detail).is_ok();
        HERE.with(|here| here.detailed.set(kept));
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(text(self.code()).trim_end_matches('\0'))
    }
}

impl std::error::Error for Error {}

/// Forgets the detail of an earlier failure; the boundary does so before each call that can fail with one.
#[inline]
pub(crate) fn clear_detail() {
    if HERE.with(|here| here.detailed.get()) {
        forget_detail();
    }
}

#[cold]
fn forget_detail() {
    HERE.with(|here| here.detailed.set(false));
    let _ = DETAIL.try_with(|last| last.borrow_mut().clear());
}

/// Reads this thread's detail; empty when the last failure had none.
pub(crate) fn with_detail<R>(read: impl FnOnce(&str) -> R) -> R {
    let mut read = Some(read);
    let done = DETAIL.try_with(|last| (read.take().expect("read once"))(&last.borrow()));
    match done {
        Ok(result) => result,
        // The thread is ending and its detail is gone.
        Err(_) => (read.take().expect("not read yet"))(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_go_together() {
        for (at, error) in Error::ALL.iter().enumerate() {
            assert_eq!(error.code(), -(at as i32) - 1);
            assert_eq!(
                (Error::of(error.code()), format!("{}\0", error.name())),
                (Some(*error), name(error.code()).into())
            );
            assert!(name(error.code()).starts_with("TD_E") && name(error.code()).ends_with('\0'));
            assert!(!text(error.code()).trim_end_matches('\0').is_empty());
        }
        assert_eq!((Error::of(0), Error::of(-9999)), (None, None));
        assert_eq!(name(0), "TD_OK\0");
        assert_eq!(name(-9999), "TD_EUNKNOWN\0");
    }

    #[test]
    fn a_detail_lasts_until_cleared() {
        let _ = Error::Inval.because("size is 3; give 8");
        assert_eq!(with_detail(str::to_owned), "size is 3; give 8");
        clear_detail();
        assert_eq!(with_detail(str::to_owned), "");
    }
}
