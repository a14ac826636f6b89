//! What a mailbox holds in other things: monitors, timers, subscriptions.
//!
//! Guarantees: each ends with its drop, unless it was detached; then with what it belongs to.

use super::{anew, duration, Address, Mailbox};
use crate::engine as facade;
use crate::error::Result;
use crate::id::Id;
use crate::monitor;
use std::time::Duration;

/// What the end of a monitor found.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
/// assert_eq!(ann.monitor(bob.address())?.end(), tidings::Outcome::Armed);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was still watching.
    Armed,
    /// A queued DOWN was taken out.
    Flushed,
    /// Its DOWN was delivered, or it was over otherwise.
    Delivered,
}

/// A one-shot watch on the end of a mailbox or process. Its drop ends it: no DOWN of it is seen after that, not even one that is queued.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
/// let monitor = ann.monitor(bob.address())?;
/// drop(bob);
/// drop(monitor);
/// assert!(ann.try_recv()?.is_none());
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a monitor that is dropped watches no more; see Monitor::detach"]
pub struct Monitor(Id);

impl Monitor {
    pub(super) fn of(id: Id) -> Monitor {
        Monitor(id)
    }

    /// What [`MessageRef::reference`](crate::MessageRef::reference) of its DOWN is.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let monitor = ann.monitor(bob.address())?;
    /// drop(bob);
    /// assert_eq!(ann.recv()?.reference(), monitor.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.0 .0
    }

    /// Ends it, as the drop, and says what it found.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let monitor = ann.monitor(bob.address())?;
    /// drop(bob);
    /// assert_eq!(monitor.end(), tidings::Outcome::Flushed);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn end(self) -> Outcome {
        match anew(|| facade::demonitor(std::mem::ManuallyDrop::new(self).0, true)) {
            Ok(monitor::WAS_ARMED) => Outcome::Armed,
            Ok(monitor::WAS_FLUSHED) => Outcome::Flushed,
            _ => Outcome::Delivered,
        }
    }

    /// Leaves it to watch for as long as the watching mailbox lives, and gives its number.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let number = ann.monitor(bob.address())?.detach();
    /// drop(bob);
    /// assert_eq!(ann.recv()?.reference(), number);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn detach(self) -> u64 {
        std::mem::ManuallyDrop::new(self).0 .0
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = facade::demonitor(self.0, true);
    }
}

impl Mailbox {
    /// Watches a mailbox: when it ends, this one gets one [`Kind::Down`](crate::Kind::Down) whose reference is the
    /// monitor. If it is over already the DOWN comes at once, with [`Reason::NOPROC`](crate::Reason::NOPROC).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let monitor = ann.monitor(bob.address())?;
    /// drop(bob);
    /// assert_eq!(ann.recv()?.reference(), monitor.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn monitor(&self, target: Address) -> Result<Monitor> {
        anew(|| facade::monitor(self.address().0, target.0, 0)).map(Monitor::of)
    }

    /// Watches whoever holds the name at this moment; the DOWN has the name as its topic. If nobody holds it the DOWN
    /// comes at once: which of the two it is, is one atomic decision.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let ann = engine.mailbox().open()?;
    /// let _monitor = ann.monitor_name("nobody")?;
    /// let down = ann.recv()?;
    /// assert_eq!((down.reason(), down.topic()), (tidings::Reason::NOPROC, "nobody"));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn monitor_name(&self, name: &str) -> Result<Monitor> {
        anew(|| facade::monitor_name(self.address().0, name, 0)).map(Monitor::of)
    }

    /// As [`monitor`](Self::monitor), with a receipt: the DOWN says how many of this mailbox's messages, sent or published
    /// since this call, were [consumed](crate::MessageRef::consumed) there and how many
    /// [discarded](crate::MessageRef::discarded). Sending to the target costs a little more meanwhile.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _monitor = ann.monitor_receipt(bob.address())?;
    /// ann.send_to(bob.address(), 0, b"read")?;
    /// ann.send_to(bob.address(), 0, b"left lying")?;
    /// bob.recv()?;
    /// drop(bob);
    /// let down = ann.recv()?;
    /// assert_eq!((down.consumed(), down.discarded()), (1, 1));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn monitor_receipt(&self, target: Address) -> Result<Monitor> {
        anew(|| facade::monitor_receipt(self.address().0, target.0, 0)).map(Monitor::of)
    }

    /// Watches a process of the system: when it ends, this mailbox gets one [`Kind::Down`](crate::Kind::Down) with
    /// [`Reason::OS_EXIT`](crate::Reason::OS_EXIT), and with its [`exit_status`](crate::MessageRef::exit_status) if it is a
    /// child of this process, which stays to be waited for. If there is no such process the DOWN comes at once, with
    /// [`Reason::NOPROC`](crate::Reason::NOPROC). The first call starts a thread of the engine's.
    ///
    /// `NoProc` when this mailbox is over; `Inval` for 0 and the id of a mere thread; `Sys` when there is no descriptor or
    /// thread to be had; `Unsupported` where the system cannot do it (Linux before 5.3).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let ann = engine.mailbox().open()?;
    /// let mut child = std::process::Command::new("true").spawn().unwrap();
    /// let _monitor = ann.monitor_process(child.id())?;
    /// let down = ann.recv()?;
    /// assert_eq!(down.reason(), tidings::Reason::OS_EXIT);
    /// assert!(down.exit_status().unwrap().success());
    /// child.wait().unwrap();
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn monitor_process(&self, pid: u32) -> Result<Monitor> {
        anew(|| facade::monitor_os_process(self.address().0, pid.into(), 0)).map(Monitor::of)
    }
}

/// A message later, or in each period. Its drop stops it; a tick that is queued goes, too.
///
/// ```
/// use std::time::Duration;
///
/// # let engine = tidings::Engine::new()?;
/// # let mailbox = engine.mailbox().open()?;
/// let timer = mailbox.send_after(Duration::from_secs(3600), 0, b"")?;
/// drop(timer);
/// assert_eq!(engine.stats()?.timers, 0);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a timer that is dropped does not fire; see Timer::detach"]
pub struct Timer(Id);

impl Timer {
    pub(super) fn of(id: Id) -> Timer {
        Timer(id)
    }

    /// What [`MessageRef::reference`](crate::MessageRef::reference) of its messages is.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let timer = mailbox.send_after(std::time::Duration::ZERO, 0, b"")?;
    /// assert_eq!(mailbox.recv()?.reference(), timer.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.0 .0
    }

    /// How long until it fires next. `Stale` when it has fired.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let timer = mailbox.send_after(Duration::from_secs(3600), 0, b"")?;
    /// assert!(timer.left()? > Duration::from_secs(3000));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn left(&self) -> Result<Duration> {
        anew(|| facade::timer_read(self.0)).map(duration)
    }

    /// Stops it and gives the time that was left. `Stale` when it has fired: of firing and stopping one happens.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let timer = mailbox.send_after(std::time::Duration::ZERO, 0, b"")?;
    /// mailbox.recv()?;
    /// assert_eq!(timer.cancel(), Err(tidings::Error::Stale));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn cancel(self) -> Result<Duration> {
        anew(|| facade::timer_cancel(std::mem::ManuallyDrop::new(self).0)).map(duration)
    }

    /// Leaves it to fire for as long as its mailbox lives, and gives its number.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let number = mailbox.send_after(std::time::Duration::ZERO, 0, b"")?.detach();
    /// assert_eq!(mailbox.recv()?.reference(), number);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn detach(self) -> u64 {
        std::mem::ManuallyDrop::new(self).0 .0
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let _ = facade::timer_cancel(self.0);
    }
}

/// A topic pattern's way into a mailbox. Its drop ends it: no new delivery starts, and what is queued stays.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let mailbox = engine.mailbox().open()?;
/// let subscription = mailbox.subscribe("news")?;
/// drop(subscription);
/// assert_eq!(engine.publish("news", 0, b"none")?.matched, 0);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a subscription that is dropped is over; see Subscription::detach"]
pub struct Subscription(Id);

impl Subscription {
    pub(super) fn of(id: Id) -> Subscription {
        Subscription(id)
    }

    /// What [`MessageRef::reference`](crate::MessageRef::reference) of its messages is.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let subscription = mailbox.subscribe("news")?;
    /// engine.publish("news", 0, b"none")?;
    /// assert_eq!(mailbox.recv()?.reference(), subscription.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.0 .0
    }

    /// Ends it and takes out what is queued, too: nothing of it is seen after this.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let subscription = mailbox.subscribe("news")?;
    /// engine.publish("news", 0, b"none")?;
    /// subscription.flush()?;
    /// assert!(mailbox.try_recv()?.is_none());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn flush(self) -> Result<()> {
        anew(|| facade::unsubscribe(std::mem::ManuallyDrop::new(self).0, true))
    }

    /// Leaves it to deliver for as long as its mailbox lives, and gives its number.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.subscribe("news")?.detach();
    /// assert_eq!(engine.publish("news", 0, b"none")?.matched, 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn detach(self) -> u64 {
        std::mem::ManuallyDrop::new(self).0 .0
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ = facade::unsubscribe(self.0, false);
    }
}
