//! Wake-ups: parking a thread, readiness descriptors, the engine's own threads, and forks.
//!
//! Guarantees: what the files of this folder say; engine threads block all signals, so the host's handlers run on the
//! host's threads. Unsafe only for system calls, and for the one page that a fork wipes.

#![allow(unsafe_code)]

mod bell;
#[cfg(not(loom))]
mod cpu;
pub mod fork;
mod park;
pub mod process;
mod round;

pub use bell::Bell;
#[cfg(all(test, loom))]
pub use bell::Flag;
#[cfg(not(loom))]
pub use cpu::{this_thread, ticks, MICROSECOND};
#[cfg(all(test, loom))]
pub(crate) use park::{Given, Word};
pub use park::{Parker, Wake};
pub use round::wake_all;

use crate::error::{Error, Result};

/// Nanoseconds of the monotonic clock.
#[allow(clippy::unnecessary_cast)] // the fields of timespec are narrower elsewhere
pub fn now() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to; CLOCK_MONOTONIC always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as i64 * 1_000_000_000 + time.tv_nsec as i64
}

/// Puts errno back where a signal handler found it.
pub struct KeepErrno(i32);

impl KeepErrno {
    pub fn new() -> Self {
        // SAFETY: the address of this thread's errno is always valid.
        KeepErrno(unsafe { *errno() })
    }
}

impl Drop for KeepErrno {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *errno() = self.0 };
    }
}

fn errno() -> *mut i32 {
    // SAFETY: takes nothing and cannot fail.
    #[cfg(target_os = "linux")]
    return unsafe { libc::__errno_location() };
    // SAFETY: as above.
    #[cfg(not(target_os = "linux"))]
    return unsafe { libc::__error() };
}

#[cfg(not(loom))]
fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

#[cfg(not(loom))]
fn system(call: &str) -> Error {
    Error::Sys.because(format!("{call}: {}", std::io::Error::last_os_error()))
}

/// Starts a named thread of the engine that no signal is delivered to.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let start = || std::thread::Builder::new().name(name.into()).stack_size(256 << 10).spawn(run);
    let failed = |why| Error::Sys.because(format!("cannot start the thread {name}: {why}"));
    if cfg!(miri) {
        // Under Miri there are no signals.
        return start().map(drop).map_err(failed);
    }
    // SAFETY: both sets are valid to write; sigfillset initialises the first, pthread_sigmask the second. The mask is
    // put back before returning, and the new thread inherits the full one.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        let mut before = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started.map(drop).map_err(failed)
    }
}
