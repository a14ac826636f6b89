//! How a mailbox is opened: its bound and policy, its name, who reads it.
//!
//! Guarantees: nothing is open before one of the last methods; a handler that was given is dropped exactly once, also when
//! the mailbox does not open.

use super::{anew, nanos, raw, Engine, Loop, Mailbox, Messages};
use crate::engine as facade;
use crate::error::Result;
use crate::id::Id;
use crate::message::HandlerFn;
use crate::owed::Callback;
use std::mem::ManuallyDrop;
use std::time::Duration;

/// What a full mailbox does with one more message. Signals are never refused or dropped.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().policy(tidings::Policy::Fail).max_messages(1).open()?;
/// mailbox.send(0, b"")?;
/// assert_eq!(mailbox.send(0, b""), Err(tidings::Error::Full));
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// The send fails with `Full`.
    #[default]
    Fail = 0,
    /// The send waits.
    Block = 1,
    /// The new message is dropped and counted.
    DropNew = 2,
    /// The oldest is dropped and counted.
    DropOld = 3,
    /// The mailbox ends.
    Kill = 4,
    /// A message takes the place of a queued one with its tag.
    Conflate = 5,
}

/// How a mailbox is to be opened; see [`Engine::mailbox`].
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().name("inbox").max_messages(100).open()?;
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is open before open()"]
pub struct MailboxBuilder<'a> {
    engine: &'a Engine,
    policy: Policy,
    max_messages: u64,
    max_bytes: u64,
    block_timeout: i64,
    name: Option<&'a str>,
    thread_bound: bool,
    notifiable: bool,
}

impl<'a> MailboxBuilder<'a> {
    pub(super) fn of(engine: &'a Engine) -> Self {
        let (max_messages, max_bytes, block_timeout) = (0, 0, 0);
        let (thread_bound, notifiable) = (false, false);
        let (policy, name) = (Policy::Fail, None);
        MailboxBuilder { engine, policy, max_messages, max_bytes, block_timeout, name, thread_bound, notifiable }
    }

    /// What it does when it is full; [`Policy::Fail`] if not said.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let latest = engine.mailbox().policy(tidings::Policy::Conflate).open()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// How many messages it holds; 65,536 if not said.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let small = engine.mailbox().max_messages(10).open()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn max_messages(self, max_messages: u64) -> Self {
        Self { max_messages, ..self }
    }

    /// How many payload bytes it holds; 64 MiB if not said.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let small = engine.mailbox().max_bytes(1000).open()?;
    /// assert_eq!(small.send(0, &[0; 1001]), Err(tidings::Error::TooBig));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    /// How long a send waits, of [`Policy::Block`]; without limit if not said.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// let patient = engine.mailbox().policy(tidings::Policy::Block).max_messages(1);
    /// let mailbox = patient.block_timeout(Duration::from_millis(1)).open()?;
    /// mailbox.send(0, b"")?;
    /// assert_eq!(mailbox.send(0, b""), Err(tidings::Error::TimedOut));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn block_timeout(self, timeout: Duration) -> Self {
        Self { block_timeout: nanos(timeout).max(1), ..self }
    }

    /// A name that it has before anyone can see it.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().name("source").open()?;
    /// engine.send_name("source", 0, b"hello")?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn name(self, name: &'a str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// It ends when the thread that opens it ends.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let address = std::thread::scope(|scope| {
    ///     let open = || engine.mailbox().thread_bound().open().unwrap().detach();
    ///     scope.spawn(open).join().unwrap()
    /// });
    /// address.wait(None)?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn thread_bound(self) -> Self {
        Self { thread_bound: true, ..self }
    }

    /// It takes bits from signal handlers, by [`Address::notify`](crate::Address::notify). The first such mailbox of the
    /// process starts a thread.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().notifiable().open()?;
    /// mailbox.notify(1)?;
    /// assert_eq!(mailbox.recv()?.kind(), tidings::Kind::Notify);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn notifiable(self) -> Self {
        Self { notifiable: true, ..self }
    }

    /// Opens it to be read by receive calls.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().open()?;
    /// assert!(mailbox.try_recv()?.is_none());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn open(self) -> Result<Mailbox> {
        self.finish(Callback::new(None, std::ptr::null_mut(), None), Id::NONE, false)
    }

    /// Opens it with a handler that [`Loop::run`] of this loop calls with the mailbox itself and what has come in; never
    /// two calls at a time. A panic of the handler ends the mailbox with [`Reason::CALLBACK_FAILED`](crate::Reason::CALLBACK_FAILED).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let run = engine.open_loop()?;
    /// let mut total = 0;
    /// let counter = engine.mailbox().handled_in(&run, move |_, messages| {
    ///     while let Some(message) = messages.next() {
    ///         total += message.data().len();
    ///         println!("{total} bytes so far");
    ///     }
    /// })?;
    /// counter.send(0, b"hello")?;
    /// run.run(None)?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn handled_in<F>(self, run: &Loop, handler: F) -> Result<Mailbox>
    where
        F: FnMut(&Mailbox, &mut Messages<'_>) + Send + 'static,
    {
        self.finish(callback(self.engine.raw_id(), handler), run.raw_id(), false)
    }

    /// Opens it with a handler that the engine's own threads call; see [`EngineBuilder::workers`](crate::EngineBuilder::workers).
    ///
    /// ```
    /// let engine = tidings::Engine::builder().workers(2).open()?;
    /// let (done, wait) = std::sync::mpsc::channel();
    /// let mailbox = engine.mailbox().handled_by_workers(move |_, messages| {
    ///     while let Some(message) = messages.next() {
    ///         done.send(message.tag()).unwrap();
    ///     }
    /// })?;
    /// mailbox.send(7, b"")?;
    /// assert_eq!(wait.recv(), Ok(7));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn handled_by_workers<F>(self, handler: F) -> Result<Mailbox>
    where
        F: FnMut(&Mailbox, &mut Messages<'_>) + Send + 'static,
    {
        self.finish(callback(self.engine.raw_id(), handler), Id::NONE, true)
    }

    fn finish(self, callback: Callback<Option<HandlerFn>>, run_by: Id, by_workers: bool) -> Result<Mailbox> {
        let options = facade::MailboxOptions {
            policy: self.policy as u32,
            max_messages: self.max_messages,
            max_bytes: self.max_bytes,
            block_timeout: self.block_timeout,
            run_by,
            callback,
            name: self.name,
            notifiable: self.notifiable,
            by_workers,
            thread_bound: self.thread_bound,
        };
        let engine = self.engine.raw_id();
        anew(|| facade::mailbox_open(engine, options)).map(|id| Mailbox::of(id, engine))
    }
}

fn callback<F>(engine: Id, mut handler: F) -> Callback<Option<HandlerFn>>
where
    F: FnMut(&Mailbox, &mut Messages<'_>) + Send + 'static,
{
    raw::handler(move |batch| {
        let own = ManuallyDrop::new(Mailbox::of(batch.mailbox, engine));
        handler(&own, &mut Messages::of(batch));
    })
}
