//! Reasons: why a mailbox ended.
//!
//! Guarantees: a reason is its number, the same in every language.

use crate::message as m;
use std::fmt;

/// Why a mailbox ended. Numbers below 1,024 are the engine's, the others the application's.
///
/// ```
/// use tidings::Reason;
///
/// assert_eq!(Reason::user(1).to_string(), "user+1");
/// assert_eq!(Reason::KILLED.to_string(), "killed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason(pub i32);

impl Reason {
    /// It was closed.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.close()?;
    /// assert_eq!(mailbox.stats()?.reason, tidings::Reason::NORMAL);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const NORMAL: Reason = Reason(m::REASON_NORMAL);
    /// It was killed.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.kill()?;
    /// assert_eq!(mailbox.stats()?.reason, tidings::Reason::KILLED);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const KILLED: Reason = Reason(m::REASON_KILLED);
    /// It was not there when it was to be watched.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let _monitor = mailbox.monitor_name("nobody")?;
    /// assert_eq!(mailbox.recv()?.reason(), tidings::Reason::NOPROC);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const NOPROC: Reason = Reason(m::REASON_NOPROC);
    /// Its handler panicked; the data is the text.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let run = engine.open_loop()?;
    /// let mailbox = engine.mailbox().handled_in(&run, |_, _| panic!("not now"))?;
    /// mailbox.send(0, b"")?;
    /// run.run(None)?;
    /// assert_eq!(mailbox.stats()?.reason, tidings::Reason::CALLBACK_FAILED);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const CALLBACK_FAILED: Reason = Reason(m::REASON_CALLBACK_FAILED);
    /// It was full, and its policy is [`Policy::Kill`](crate::Policy::Kill).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().policy(tidings::Policy::Kill).max_messages(1).open()?;
    /// mailbox.send_many(&[(0, b"fits"), (0, b"does not")])?;
    /// assert_eq!(mailbox.stats()?.reason, tidings::Reason::OVERFLOW);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const OVERFLOW: Reason = Reason(m::REASON_OVERFLOW);
    /// Its engine was closed.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// engine.close()?;
    /// assert_eq!(mailbox.stats()?.reason, tidings::Reason::ENGINE_CLOSED);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const ENGINE_CLOSED: Reason = Reason(m::REASON_ENGINE_CLOSED);
    /// Its loop was closed, or its thread ended.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let run = engine.open_loop()?;
    /// let mailbox = engine.mailbox().handled_in(&run, |_, _| ())?;
    /// drop(run);
    /// assert_eq!(mailbox.stats()?.reason, tidings::Reason::RUNTIME_EXIT);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const RUNTIME_EXIT: Reason = Reason(m::REASON_RUNTIME_EXIT);
    /// It was a process of the system; no mailbox ends with this.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let mut child = std::process::Command::new("true").spawn().unwrap();
    /// let _monitor = mailbox.monitor_process(child.id())?;
    /// assert_eq!(mailbox.recv()?.reason(), tidings::Reason::OS_EXIT);
    /// child.wait().unwrap();
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const OS_EXIT: Reason = Reason(m::REASON_OS_EXIT);

    /// The application's own reason of this number.
    ///
    /// ```
    /// assert_eq!(tidings::Reason::user(0).0, 1024);
    /// ```
    pub const fn user(number: u16) -> Reason {
        Reason(m::REASON_USER + number as i32)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match m::reason_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "user+{}", self.0 - m::REASON_USER),
        }
    }
}
