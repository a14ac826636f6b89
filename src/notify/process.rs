//! Processes of the system, by descriptors that become readable when they end.
//!
//! Guarantees: a [`Process`] is the one that had the pid when it was opened, whoever has that pid later; its status is
//! looked at and never taken from the parent that waits for it.

#[cfg(not(loom))]
pub use real::{wait, Process};
#[cfg(loom)]
pub use stub::{wait, Process};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is no child of this process, or was waited for already.
    Unknown,
    Exited(i32),
    Killed(i32),
}

#[cfg(not(loom))]
mod real {
    use super::Status;
    use crate::error::{Error, Result};
    use crate::notify::{last_errno, system, Bell};
    use crate::sync::Arc;

    /// A descriptor of a process.
    #[derive(Debug)]
    pub struct Process {
        fd: libc::c_int,
    }

    impl Process {
        /// `None` when there is no such process.
        #[cfg(target_os = "linux")]
        pub fn open(pid: i32) -> Result<Option<Process>> {
            // SAFETY: pidfd_open takes two integers.
            let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as libc::c_int;
            if fd >= 0 {
                return Ok(Some(Process { fd }));
            }
            match last_errno() {
                libc::ESRCH => Ok(None),
                libc::EINVAL | libc::ENOENT => {
                    Err(Error::Inval.because(format!("{pid} is the id of a thread, not of a process")))
                }
                libc::ENOSYS | libc::EPERM => {
                    Err(Error::Unsupported.because("the system has no pidfd_open, which Linux has from 5.3 on"))
                }
                _ => Err(system("pidfd_open")),
            }
        }

        #[cfg(not(target_os = "linux"))]
        pub fn open(_: i32) -> Result<Option<Process>> {
            Err(Error::Unsupported.because("processes can be watched on Linux only"))
        }

        /// How it ended, once it has.
        #[cfg(target_os = "linux")]
        pub fn status(&self) -> Status {
            // SAFETY: zeros are a value of siginfo_t, which waitid may write to; WNOWAIT leaves the child to its parent.
            // The two fields are those of a child's end, which waitid fills in.
            unsafe {
                let mut info = std::mem::zeroed::<libc::siginfo_t>();
                let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
                if libc::waitid(libc::P_PIDFD, self.fd as libc::id_t, &mut info, flags) != 0 || info.si_pid() == 0 {
                    return Status::Unknown;
                }
                match info.si_code {
                    libc::CLD_EXITED => Status::Exited(info.si_status()),
                    libc::CLD_KILLED | libc::CLD_DUMPED => Status::Killed(info.si_status()),
                    _ => Status::Unknown,
                }
            }
        }

        #[cfg(not(target_os = "linux"))]
        pub fn status(&self) -> Status {
            Status::Unknown
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            // SAFETY: this owns the descriptor, and nobody uses it after the drop.
            unsafe { libc::close(self.fd) };
        }
    }

    /// Waits until the bell is set or some of the processes have ended, and gives those. It may also give none.
    pub fn wait(processes: Vec<Arc<Process>>, bell: &Bell) -> Vec<Arc<Process>> {
        let polled = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut polls: Vec<_> = processes.iter().map(|process| polled(process.fd)).collect();
        polls.push(polled(bell.raw()));
        if poll(&mut polls, -1) < 0 {
            // The host has lowered its limit of descriptors below the number of these: a part of them at a time.
            std::thread::sleep(PAUSE);
            for some in polls.chunks_mut(most_descriptors()) {
                poll(some, 0);
            }
        }
        let ended = processes.into_iter().zip(polls).filter(|(_, poll)| poll.revents != 0);
        ended.map(|(process, _)| process).collect()
    }

    /// Between two looks at processes that cannot be waited for all at once.
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

    fn poll(polls: &mut [libc::pollfd], timeout: libc::c_int) -> libc::c_int {
        // SAFETY: as many pollfds as are given; the caller keeps their descriptors open.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, timeout) }
    }

    /// How many descriptors poll takes.
    fn most_descriptors() -> usize {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limit` is a valid rlimit to write to.
        unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX).max(1)
    }
}

/// Under loom there are no processes.
#[cfg(loom)]
mod stub {
    use super::Status;
    use crate::error::{Error, Result};
    use crate::notify::Bell;
    use crate::sync::Arc;

    #[derive(Debug)]
    pub struct Process(());

    impl Process {
        pub fn open(_: i32) -> Result<Option<Process>> {
            Err(Error::Unsupported)
        }
        pub fn status(&self) -> Status {
            Status::Unknown
        }
    }

    pub fn wait(_: Vec<Arc<Process>>, _: &Bell) -> Vec<Arc<Process>> {
        Vec::new()
    }
}
