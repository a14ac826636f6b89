//! Loops: the handlers that one thread of the host's runs.
//!
//! Guarantees: a [`Loop`] is closed by its drop, and its mailboxes end with it.

use super::{anew, duration, nanos, raw, Engine};
use crate::clock::FOREVER;
use crate::engine as facade;
use crate::error::Result;
use crate::id::Id;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The handler mailboxes that one thread runs; inside another event loop by its [`fd`](Self::fd).
///
/// ```
/// let engine = tidings::Engine::new()?;
/// let run = engine.open_loop()?;
/// let echo = engine.mailbox().handled_in(&run, |_, messages| {
///     while let Some(message) = messages.next() {
///         if let Some(ticket) = message.ticket() {
///             ticket.reply(message.data()).unwrap();
///         }
///     }
/// })?;
/// let address = echo.address();
/// let asking = std::thread::spawn(move || address.call(0, b"hello", None).unwrap().text().into_owned());
/// while !asking.is_finished() {
///     run.run(Some(std::time::Duration::from_millis(10)))?;
/// }
/// assert_eq!(asking.join().unwrap(), "hello");
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
pub struct Loop(Id);

impl Loop {
    pub(super) fn open(engine: &Engine) -> Result<Loop> {
        anew(|| facade::loop_open(engine.raw_id(), 0, None)).map(Loop)
    }

    pub(super) fn open_with<F: Fn() + Send + Sync + 'static>(engine: &Engine, budget: u32, wake: F) -> Result<Loop> {
        anew(|| facade::loop_open(engine.raw_id(), budget, Some(raw::waker(wake)))).map(Loop)
    }

    pub(super) fn raw_id(&self) -> Id {
        self.0
    }

    /// Waits for work, at most so long, and does one round of it: one batch for each mailbox that is ready. Gives how
    /// many batches were handled. One thread at a time may; another is told `Deadlock`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let run = engine.open_loop()?;
    /// assert_eq!(run.run(Some(Duration::ZERO))?, 0);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn run(&self, timeout: Option<Duration>) -> Result<u32> {
        anew(|| facade::loop_run(self.0, timeout.map_or(FOREVER, nanos), false))
    }

    /// A descriptor that is readable while [`run`](Self::run) has something to do: level-triggered, for an event loop
    /// that is there already.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let run = engine.open_loop()?;
    /// let fd: std::os::fd::OwnedFd = run.fd()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn fd(&self) -> Result<OwnedFd> {
        anew(|| facade::loop_fd(self.0)).map(raw::descriptor)
    }

    /// How long until [`run`](Self::run) is needed for the next timer, of an engine in
    /// [host time](crate::EngineBuilder::host_time); `None` when no timer needs it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let engine = tidings::Engine::builder().host_time().open()?;
    /// let run = engine.open_loop()?;
    /// assert_eq!(run.deadline()?, None);
    /// let mailbox = engine.mailbox().open()?;
    /// let _timer = mailbox.send_after(Duration::from_secs(1), 0, b"")?;
    /// assert!(run.deadline()? <= Some(Duration::from_secs(1)));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn deadline(&self) -> Result<Option<Duration>> {
        let delay = anew(|| facade::loop_deadline(self.0))?;
        Ok((delay != FOREVER).then(|| duration(delay)))
    }

    /// Makes the [`run`](Self::run) under way return, or the next one not wait.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let run = engine.open_loop()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| run.wake().unwrap());
    ///     assert_eq!(run.run(None), Ok(0));
    /// });
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn wake(&self) -> Result<()> {
        anew(|| facade::loop_wake(self.0))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = facade::loop_close(self.0);
    }
}
