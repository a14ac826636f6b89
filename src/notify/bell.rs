//! Readiness descriptors.
//!
//! Guarantees: a [`Bell`]'s descriptor is readable exactly while it is set, and one that was shared outlives it.

#[cfg(not(loom))]
use super::system;
use crate::error::Result;
#[cfg(loom)]
use crate::sync::Arc;

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

    /// The descriptor, for polling it while the bell is there.
    pub(super) fn raw(&self) -> libc::c_int {
        self.fd
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn readable(fd: isize) -> bool {
        let mut poll = libc::pollfd { fd: fd as i32, events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
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
