//! Wake-ups: parking a thread, readiness descriptors, and the engine's own threads.
//!
//! Guarantees: [`Parker::unpark`] before, during or after [`Parker::park`] is never lost; a [`Bell`]'s descriptor is
//! readable exactly while it is set; engine threads block all signals, so the host's handlers run on the host's
//! threads. Unsafe only for system calls.

#![allow(unsafe_code)]

use crate::error::{Error, Result};
use crate::sync::Arc;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Somebody unparked this thread.
    Notified,
    /// The time given has passed.
    TimedOut,
    /// A signal handler ran and the wait was interruptible.
    Interrupted,
}

#[cfg(not(loom))]
pub use real::Parker;

#[cfg(not(loom))]
mod real {
    use super::*;
    use crate::sync::atomic::{AtomicU32, Ordering::*};

    const EMPTY: u32 = 0;
    const PARKED: u32 = 1;
    const NOTIFIED: u32 = 2;
    /// An hour in nanoseconds.
    const LONG: i64 = 3_600_000_000_000;

    /// One thread's place to sleep. EMPTY -> PARKED by its thread, -> NOTIFIED by anyone, -> EMPTY by its thread.
    #[derive(Debug, Default)]
    pub struct Parker {
        state: AtomicU32,
    }

    thread_local! {
        static CURRENT: Arc<Parker> = Arc::new(Parker::default());
    }

    impl Parker {
        /// This thread's parker.
        pub fn current() -> Arc<Parker> {
            CURRENT.try_with(Arc::clone).unwrap_or_default()
        }

        /// Forgets a notification left over from an earlier wait. Call it before telling anyone about the new one.
        pub fn reset(&self) {
            self.state.store(EMPTY, Release);
        }

        /// Waits until unparked, for at most `limit` nanoseconds (`i64::MAX`: no limit).
        pub fn park(&self, limit: i64, interruptible: bool) -> Wake {
            if self.state.compare_exchange(EMPTY, PARKED, AcqRel, Acquire).is_err() {
                self.state.store(EMPTY, Release);
                return Wake::Notified;
            }
            let start = now();
            loop {
                let left = match limit {
                    // A wait without a time limit would be restarted by the kernel after a handler with SA_RESTART.
                    i64::MAX if interruptible => Some(LONG),
                    i64::MAX => None,
                    _ => Some(limit.saturating_sub(now() - start)),
                };
                let outcome = match left {
                    Some(left) if left <= 0 => Some(Wake::TimedOut),
                    _ => match futex_wait(&self.state, PARKED, left) {
                        libc::EINTR if interruptible => Some(Wake::Interrupted),
                        _ => None,
                    },
                };
                if self.state.load(Acquire) == NOTIFIED {
                    self.state.store(EMPTY, Release);
                    return Wake::Notified;
                }
                if let Some(outcome) = outcome {
                    // A notification that comes in just now wins.
                    return match self.state.swap(EMPTY, AcqRel) {
                        NOTIFIED => Wake::Notified,
                        _ => outcome,
                    };
                }
            }
        }

        /// Ends the current or the next wait.
        pub fn unpark(&self) {
            if self.state.swap(NOTIFIED, AcqRel) == PARKED {
                futex_wake(&self.state);
            }
        }

        /// True while its thread sleeps and nobody has woken it.
        pub fn is_parked(&self) -> bool {
            self.state.load(Acquire) == PARKED
        }
    }

    #[cfg(target_os = "linux")]
    fn futex_wait(word: &AtomicU32, expected: u32, left: Option<i64>) -> i32 {
        let limit = left.map(|ns| libc::timespec {
            tv_sec: (ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (ns % 1_000_000_000) as _,
        });
        let limit = limit.as_ref().map_or(std::ptr::null(), |limit| limit as *const libc::timespec);
        // SAFETY: `word` is a live, aligned u32 and `limit` is null or points to a timespec that outlives the call.
        let result = unsafe {
            libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, expected, limit)
        };
        if result == 0 {
            0
        } else {
            last_errno()
        }
    }

    #[cfg(target_os = "linux")]
    fn futex_wake(word: &AtomicU32) {
        // SAFETY: waking takes only the address of a live word.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
    }
}

/// Under loom a parker is a mutex and a condition variable, with the same transitions; time does not pass.
#[cfg(loom)]
#[derive(Debug)]
pub struct Parker {
    notified: crate::sync::Mutex<bool, { crate::sync::rank::LEAF }>,
    changed: crate::sync::Condvar,
}

#[cfg(loom)]
impl Parker {
    pub fn current() -> Arc<Parker> {
        Arc::new(Parker { notified: crate::sync::Mutex::new(false), changed: crate::sync::Condvar::new() })
    }
    pub fn reset(&self) {
        *self.notified.lock() = false;
    }
    pub fn park(&self, _limit: i64, _interruptible: bool) -> Wake {
        let mut notified = self.notified.lock();
        while !*notified {
            notified = self.changed.wait(notified);
        }
        *notified = false;
        Wake::Notified
    }
    pub fn unpark(&self) {
        *self.notified.lock() = true;
        self.changed.notify_all();
    }
    pub fn is_parked(&self) -> bool {
        false
    }
}

/// Nanoseconds of the monotonic clock.
#[allow(clippy::unnecessary_cast)] // the fields of timespec are narrower elsewhere
pub fn now() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec to write to; CLOCK_MONOTONIC always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as i64 * 1_000_000_000 + time.tv_nsec as i64
}

#[cfg(not(loom))]
fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

#[cfg(not(loom))]
fn system(call: &str) -> Error {
    Error::Sys.because(format!("{call}: {}", std::io::Error::last_os_error()))
}

/// An eventfd that is readable exactly while it is set. Setting and clearing are the caller's to serialise.
#[cfg(not(loom))]
#[derive(Debug)]
pub struct Bell {
    fd: libc::c_int,
}

#[cfg(not(loom))]
impl Bell {
    pub fn new() -> Result<Bell> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(system("eventfd"));
        }
        Ok(Bell { fd })
    }

    pub fn set(&self) {
        let one = 1u64;
        // SAFETY: writes eight bytes of a live u64 to a descriptor that this bell owns.
        unsafe { libc::write(self.fd, (&one as *const u64).cast(), 8) };
    }

    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: reads eight bytes into a live u64 from a descriptor that this bell owns.
        unsafe { libc::read(self.fd, (&mut count as *mut u64).cast(), 8) };
    }

    /// A descriptor of the caller's own for the same readiness; it stays valid after this bell is gone.
    pub fn share(&self) -> Result<isize> {
        // SAFETY: fcntl with F_DUPFD_CLOEXEC takes an integer.
        let fd = unsafe { libc::fcntl(self.fd, libc::F_DUPFD_CLOEXEC, 3) };
        if fd < 0 {
            return Err(system("fcntl(F_DUPFD_CLOEXEC)"));
        }
        Ok(fd as isize)
    }
}

#[cfg(not(loom))]
impl Drop for Bell {
    fn drop(&mut self) {
        // SAFETY: this bell owns the descriptor, and nobody uses it after the drop.
        unsafe { libc::close(self.fd) };
    }
}

/// Under loom a bell is a flag, and a descriptor of it the flag's address; see [`Flag`].
#[cfg(loom)]
#[derive(Debug)]
pub struct Bell(Arc<crate::sync::atomic::AtomicBool>);

#[cfg(loom)]
impl Bell {
    pub fn new() -> Result<Bell> {
        Ok(Bell(Arc::new(crate::sync::atomic::AtomicBool::new(false))))
    }
    pub fn set(&self) {
        self.0.store(true, crate::sync::atomic::Ordering::SeqCst);
    }
    pub fn clear(&self) {
        self.0.store(false, crate::sync::atomic::Ordering::SeqCst);
    }
    pub fn share(&self) -> Result<isize> {
        Ok(Arc::into_raw(self.0.clone()) as isize)
    }
}

/// What a model makes of a shared descriptor, once, to look whether it is readable.
#[cfg(all(test, loom))]
pub struct Flag(Arc<crate::sync::atomic::AtomicBool>);

#[cfg(all(test, loom))]
impl Flag {
    pub fn of(descriptor: isize) -> Flag {
        // SAFETY: the descriptor came from `Bell::share`, whose count this takes over.
        Flag(unsafe { Arc::from_raw(descriptor as *const crate::sync::atomic::AtomicBool) })
    }
    pub fn is_readable(&self) -> bool {
        self.0.load(crate::sync::atomic::Ordering::SeqCst)
    }
}

/// Starts a named thread of the engine that no signal is delivered to.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    // SAFETY: both sets are valid to write; sigfillset initialises the first, pthread_sigmask the second. The mask is
    // put back before returning, and the new thread inherits the full one.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        let mut before = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let started = std::thread::Builder::new().name(name.into()).stack_size(256 << 10).spawn(run);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        started.map(drop).map_err(|why| Error::Sys.because(format!("cannot start the thread {name}: {why}")))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn readable(fd: isize) -> bool {
        let mut poll = libc::pollfd { fd: fd as i32, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    }

    #[test]
    fn an_unpark_before_the_park_counts() {
        let parker = Parker::current();
        parker.reset();
        parker.unpark();
        assert_eq!(parker.park(i64::MAX, false), Wake::Notified);
        assert_eq!(parker.park(1_000_000, false), Wake::TimedOut);
    }

    #[test]
    fn an_unpark_from_another_thread_wakes() {
        let parker = Parker::current();
        parker.reset();
        let other = parker.clone();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            while !other.is_parked() {
                std::thread::yield_now();
            }
            other.unpark();
        });
        assert_eq!(parker.park(10_000_000_000, false), Wake::Notified);
        assert!(start.elapsed() < Duration::from_secs(10));
        thread.join().unwrap();
    }

    #[test]
    fn a_bell_is_readable_while_set_and_outlives_its_owner() {
        let bell = Bell::new().unwrap();
        let fd = bell.share().unwrap();
        assert!(!readable(fd));
        bell.set();
        bell.set();
        assert!(readable(fd));
        bell.clear();
        assert!(!readable(fd));
        bell.set();
        drop(bell);
        assert!(readable(fd));
        // SAFETY: the test owns the shared descriptor.
        unsafe { libc::close(fd as i32) };
    }
}
