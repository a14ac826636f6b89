//! Engines: worlds of mailboxes, and what is asked of a whole one.
//!
//! Guarantees: an [`Engine`] that was opened is closed by its drop; the shared one of the process is left as it is.

use super::{anew, duration, nanos, polled, Address, DrainReport, EngineStats, Loop, MailboxBuilder, Message, Timer};
use crate::engine as facade;
use crate::error::{Error, Result};
use crate::id::Id;
use std::time::Duration;

/// How an engine is to be opened; see [`Engine::builder`].
///
/// ```
/// let engine = tidings::Engine::builder().max_bytes(1 << 20).open()?;
/// assert_eq!(engine.stats()?.max_bytes, 1 << 20);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "nothing is open before open()"]
pub struct EngineBuilder {
    virtual_clock: bool,
    host_time: bool,
    max_bytes: u64,
    workers: u32,
}

impl EngineBuilder {
    /// Time moves by [`Engine::advance`] only.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let engine = tidings::Engine::builder().virtual_clock().open()?;
    /// let mailbox = engine.mailbox().open()?;
    /// let _timer = mailbox.send_after(Duration::from_secs(3600), 0, b"")?;
    /// engine.advance(Duration::from_secs(3600))?;
    /// assert!(mailbox.try_recv()?.is_some());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn virtual_clock(self) -> Self {
        Self { virtual_clock: true, ..self }
    }

    /// Due timers are fired by [`Loop::run`], in time with [`Loop::deadline`], and not by a thread of the engine's.
    ///
    /// ```
    /// let engine = tidings::Engine::builder().host_time().open()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn host_time(self) -> Self {
        Self { host_time: true, ..self }
    }

    /// How many payload bytes may be queued in all mailboxes together; 1 GiB if not said.
    ///
    /// ```
    /// let engine = tidings::Engine::builder().max_bytes(1 << 30).open()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// How many threads run the handlers of [`MailboxBuilder::handled_by_workers`]; they start with the first of these.
    ///
    /// ```
    /// let engine = tidings::Engine::builder().workers(4).open()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn workers(self, workers: u32) -> Self {
        Self { workers, ..self }
    }

    /// Opens it.
    ///
    /// ```
    /// let engine = tidings::Engine::builder().open()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn open(self) -> Result<Engine> {
        let EngineBuilder { virtual_clock, host_time, max_bytes, workers } = self;
        let options = facade::EngineOptions { virtual_clock, host_time, max_bytes, workers, thread_start: None };
        anew(|| facade::engine_open(options)).map(|id| Engine { id, owned: true })
    }
}

/// An isolated world of mailboxes. Its drop closes it, and ends all mailboxes in it.
///
/// ```
/// let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().open()?;
/// drop(engine);
/// assert_eq!(mailbox.recv().unwrap_err(), tidings::Error::Closed);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    id: Id,
    owned: bool,
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.owned {
            let _ = facade::engine_close(self.id);
        }
    }
}

impl Engine {
    pub(super) fn raw_id(&self) -> Id {
        self.id
    }

    /// Opens an engine as it is by default.
    ///
    /// ```
    /// let engine = tidings::Engine::new()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn new() -> Result<Engine> {
        Engine::builder().open()
    }

    /// To open an engine otherwise.
    ///
    /// ```
    /// let engine = tidings::Engine::builder().virtual_clock().open()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The engine that the whole process shares, C and Python code of the same library included. It opens on first use,
    /// and no drop closes it.
    ///
    /// ```
    /// use tidings::Engine;
    ///
    /// assert_eq!(Engine::shared()?.id(), Engine::shared()?.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn shared() -> Result<Engine> {
        anew(facade::engine_default).map(|id| Engine { id, owned: false })
    }

    /// Its number, the same in every language.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// println!("{:#x}", engine.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.id.0
    }

    /// To open a mailbox in it.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().name("inbox").open()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn mailbox(&self) -> MailboxBuilder<'_> {
        MailboxBuilder::of(self)
    }

    /// Opens a loop, which runs handlers on the thread that runs it.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let run = engine.open_loop()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn open_loop(&self) -> Result<Loop> {
        Loop::open(self)
    }

    /// Opens a loop that handles at most so many batches in one run (0: no limit), and calls `wake`, on any thread, when
    /// it has something to do and before had nothing: for an outer event loop without descriptors. `wake` must only pass
    /// the news on.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let (woken, wait) = std::sync::mpsc::channel();
    /// let run = engine.open_loop_with(0, move || woken.send(()).unwrap_or_default())?;
    /// let mailbox = engine.mailbox().handled_in(&run, |_, _| ())?;
    /// mailbox.send(0, b"")?;
    /// assert_eq!(wait.recv(), Ok(()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn open_loop_with<F: Fn() + Send + Sync + 'static>(&self, budget: u32, wake: F) -> Result<Loop> {
        Loop::open_with(self, budget, wake)
    }

    /// Who has the name now.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// assert_eq!(engine.whereis("nobody")?, None);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn whereis(&self, name: &str) -> Result<Option<Address>> {
        match anew(|| facade::whereis(self.id, name)) {
            Ok(holder) => Ok(Some(Address(holder))),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Frees a name. Its holder lives on.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().name("short-lived").open()?;
    /// engine.unregister("short-lived")?;
    /// assert_eq!(engine.whereis("short-lived")?, None);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn unregister(&self, name: &str) -> Result<()> {
        anew(|| facade::unregister(self.id, name))
    }

    /// Sends to whoever has the name now, from nobody. `NotFound` when nobody has it.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().name("inbox").open()?;
    /// engine.send_name("inbox", 0, b"hello")?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_name(&self, name: &str, tag: u64, data: &[u8]) -> Result<()> {
        anew(|| facade::send_name(self.id, name, Id::NONE, tag, data))
    }

    /// Sends a [`Kind::Timer`](crate::Kind::Timer) message later to whoever has the name then, with the name as its topic,
    /// unless the timer is dropped before. If nobody has it, it is a dead letter.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let engine = tidings::Engine::builder().virtual_clock().open()?;
    /// let _timer = engine.send_after_name("inbox", Duration::from_secs(60), 5, b"ding")?;
    /// let mailbox = engine.mailbox().name("inbox").open()?;
    /// engine.advance(Duration::from_secs(60))?;
    /// assert_eq!(mailbox.recv()?.data(), b"ding");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_after_name(&self, name: &str, delay: Duration, tag: u64, data: &[u8]) -> Result<Timer> {
        anew(|| facade::send_after_name(self.id, name, nanos(delay), tag, data)).map(Timer::of)
    }

    /// The time of the engine's clock since some fixed point.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// assert!(engine.now()? <= engine.now()?);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn now(&self) -> Result<Duration> {
        anew(|| facade::now(self.id)).map(duration)
    }

    /// Its counters.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// assert_eq!(engine.stats()?.mailboxes, 0);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn stats(&self) -> Result<EngineStats> {
        anew(|| facade::engine_stats(self.id)).map(EngineStats::of)
    }

    /// Everything in it as one JSON object; the C header says of what.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// assert!(engine.inspect()?.starts_with('{'));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn inspect(&self) -> Result<String> {
        anew(|| facade::engine_inspect(self.id)).map(Message::of).map(|json| json.text().into_owned())
    }

    /// Closes it, as the drop, and the shared one, too: all its mailboxes end. `Stale` when it was closed already.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// engine.close()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn close(self) -> Result<()> {
        anew(|| facade::engine_close(std::mem::ManuallyDrop::new(self).id))
    }

    /// Lets what is on its way arrive, at most so long, and then closes it. From nobody, nothing is taken any more.
    /// `TimedOut` when something was left; `Deadlock` inside a handler of it. A thread whose loop has to run meanwhile
    /// uses [`try_drain`](Self::try_drain).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// let (done, report) = engine.drain(Duration::from_secs(1));
    /// assert_eq!((done, report.undelivered), (Ok(()), 0));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn drain(self, timeout: Duration) -> (Result<()>, DrainReport) {
        // The engine's 0 goes on another time, and there is none.
        self.drain_for(nanos(timeout).max(1))
    }

    /// Begins to [drain](Self::drain), or goes on, without waiting, also inside a handler: the report, and the engine is
    /// closed, when nothing is left; `None` while something is.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// let run = engine.open_loop()?;
    /// let mailbox = engine.mailbox().handled_in(&run, |_, messages| while messages.next().is_some() {})?;
    /// mailbox.send(0, b"on its way")?;
    /// let report = loop {
    ///     match engine.try_drain()? {
    ///         Some(report) => break report,
    ///         None => run.run(Some(Duration::from_millis(100)))?,
    ///     };
    /// };
    /// assert_eq!((report.delivered, report.undelivered), (1, 0));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn try_drain(&self) -> Result<Option<DrainReport>> {
        let (done, report) = self.drain_for(0);
        polled(done.map(|()| report))
    }

    fn drain_for(&self, timeout: i64) -> (Result<()>, DrainReport) {
        let mut report = None;
        let done = anew(|| {
            let (done, drained) = facade::engine_drain(self.id, timeout);
            report = Some(DrainReport::of(drained));
            done
        });
        let nothing = DrainReport { delivered: 0, undelivered: 0, suspended: Vec::new() };
        (done, report.unwrap_or(nothing))
    }

    /// Moves a [virtual clock](EngineBuilder::virtual_clock), through every timer and timeout on the way in their order.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let engine = tidings::Engine::builder().virtual_clock().open()?;
    /// let before = engine.now()?;
    /// engine.advance(Duration::from_secs(60))?;
    /// assert_eq!(engine.now()? - before, Duration::from_secs(60));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn advance(&self, by: Duration) -> Result<()> {
        anew(|| facade::clock_advance(self.id, nanos(by)))
    }

    /// Waits until so many threads or more wait on the virtual clock, at most so long in real time.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let engine = tidings::Engine::builder().virtual_clock().open()?;
    /// let mailbox = engine.mailbox().open()?;
    /// std::thread::scope(|scope| {
    ///     let waiting = scope.spawn(|| mailbox.recv_timeout(Duration::from_secs(3600)).unwrap_err());
    ///     engine.wait_parked(1, Duration::from_secs(60)).unwrap();
    ///     engine.advance(Duration::from_secs(3600)).unwrap();
    ///     assert_eq!(waiting.join().unwrap(), tidings::Error::TimedOut);
    /// });
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn wait_parked(&self, count: u32, real_timeout: Duration) -> Result<()> {
        anew(|| facade::clock_wait_parked(self.id, count, nanos(real_timeout)))
    }
}
