//! Addresses: what anybody who knows a mailbox's id may do with it.
//!
//! Guarantees: an address is a number; it owns nothing, stays valid to ask after its mailbox has ended, and never comes
//! to mean another one.

use super::raw::Loan;
use super::{anew, nanos, CallError, MailboxStats, Message, Reason, Timer};
use crate::clock::FOREVER;
use crate::engine as facade;
use crate::error::{Error, Result};
use crate::id::Id;
use std::fmt;
use std::time::Duration;

/// The id of a mailbox, own or another's: to be copied, compared, sent, passed to C or Python and back.
///
/// ```
/// use tidings::Address;
///
/// let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().open()?;
/// let number: u64 = mailbox.address().id();
/// Address::from_id(number).send(0, b"hello")?;
/// assert_eq!(mailbox.recv()?.data(), b"hello");
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub(super) Id);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:#018x})", self.0 .0)
    }
}

impl Address {
    pub(super) fn some(id: Id) -> Option<Address> {
        (!id.is_none()).then_some(Address(id))
    }

    /// The address of this number. Any number may be asked: one that is no mailbox's is an error where it is used.
    ///
    /// ```
    /// use tidings::{Address, Error};
    ///
    /// assert_eq!(Address::from_id(12345).send(0, b""), Err(Error::BadId));
    /// ```
    pub const fn from_id(id: u64) -> Address {
        Address(Id(id))
    }

    /// The number, the same in every language.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// println!("{:#x}", mailbox.address().id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub const fn id(self) -> u64 {
        self.0 .0
    }

    /// Sends a copy of the data, from nobody. [`Mailbox::send_to`](crate::Mailbox::send_to) names the sender.
    ///
    /// Fails with `NoProc` when the mailbox has ended, with `Full` when its bound is reached and its policy says so.
    /// Waits where the policy is [`Policy::Block`](crate::Policy::Block).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().open()?;
    /// mailbox.address().send(7, b"hello")?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send(self, tag: u64, data: &[u8]) -> Result<()> {
        anew(|| facade::send(self.0, Id::NONE, tag, data))
    }

    /// Sends messages of tag and data, in order, for less than as many sends. Gives how many were accepted.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// assert_eq!(mailbox.send_many(&[(1, b"one"), (2, b"two")])?, 2);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_many(self, items: &[(u64, &[u8])]) -> Result<usize> {
        self.send_many_from(Id::NONE, items)
    }

    pub(super) fn send_many_from(self, from: Id, items: &[(u64, &[u8])]) -> Result<usize> {
        anew(|| facade::send_many(self.0, from, items)).map(|accepted| accepted as usize)
    }

    /// Sends a payload without copying it: it is dropped, on any thread, when the last reader is done with it. When
    /// the send fails it comes back.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().open()?;
    /// let large = vec![1u8; 1_000_000];
    /// mailbox.send_owned(0, large).map_err(|(error, _large)| error)?;
    /// assert_eq!(mailbox.recv()?.data().len(), 1_000_000);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_owned<B: AsRef<[u8]> + Send + 'static>(self, tag: u64, payload: B) -> Result<(), (Error, B)> {
        self.send_owned_from(Id::NONE, tag, payload)
    }

    pub(super) fn send_owned_from<B: AsRef<[u8]> + Send + 'static>(
        self,
        from: Id,
        tag: u64,
        payload: B,
    ) -> Result<(), (Error, B)> {
        let loan = Loan::new(payload);
        let (data, release) = loan.parts();
        let options = facade::SendOptions { timeout: 0, interruptible: false, release: Some(release) };
        anew(|| facade::send_ex(self.0, from, tag, data, options)).map_err(|error| (error, loan.take_back()))
    }

    /// Sends a copy of the data, from nobody, and waits at most so long where the policy is
    /// [`Policy::Block`](crate::Policy::Block), whatever the mailbox's own limit is: then it is `TimedOut`, or `Full` when so
    /// long is no time at all.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidings::Error;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().policy(tidings::Policy::Block).max_messages(1).open()?;
    /// mailbox.send(0, b"")?;
    /// assert_eq!(mailbox.send_timeout(0, b"", Duration::from_millis(1)), Err(Error::TimedOut));
    /// assert_eq!(mailbox.send_timeout(0, b"", Duration::ZERO), Err(Error::Full));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_timeout(self, tag: u64, data: &[u8], timeout: Duration) -> Result<()> {
        self.send_timeout_from(Id::NONE, tag, data, timeout)
    }

    pub(super) fn send_timeout_from(self, from: Id, tag: u64, data: &[u8], timeout: Duration) -> Result<()> {
        // The engine's 0 is the mailbox's own limit, and -1 is no wait.
        let timeout = if timeout.is_zero() { -1 } else { nanos(timeout) };
        let options = facade::SendOptions { timeout, interruptible: false, release: None };
        anew(|| facade::send_ex(self.0, from, tag, data, options))
    }

    /// Gives the mailbox, which was opened [`notifiable`](crate::MailboxBuilder::notifiable), bits, from anywhere, also
    /// inside a signal handler: this takes no lock, needs no memory and leaves errno alone. The mailbox gets one
    /// [`Kind::Notify`](crate::Kind::Notify) with every bit given since the last one was delivered; it passes every bound.
    /// `Inval` when it is not notifiable, `NoProc` when it has ended, without a detail in
    /// [`last_error`](crate::last_error).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().notifiable().open()?;
    /// mailbox.suspend()?;
    /// mailbox.notify(1)?;
    /// mailbox.notify(4)?;
    /// mailbox.resume()?;
    /// assert_eq!(mailbox.recv()?.bits(), 5);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn notify(self, bits: u64) -> Result<()> {
        facade::notify(self.0, bits)
    }

    /// Sends a request and waits for its reply, at most so long.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let server = engine.mailbox().open()?;
    /// let address = server.address();
    /// std::thread::spawn(move || server.recv().unwrap().ticket().unwrap().reply(b"pong"));
    /// assert_eq!(address.call(0, b"ping", None)?.data(), b"pong");
    /// # Ok::<(), tidings::CallError>(())
    /// ```
    pub fn call(self, tag: u64, data: &[u8], timeout: Option<Duration>) -> Result<Message, CallError> {
        self.call_from(Id::NONE, tag, data, timeout)
    }

    pub(super) fn call_from(
        self,
        from: Id,
        tag: u64,
        data: &[u8],
        timeout: Option<Duration>,
    ) -> Result<Message, CallError> {
        let timeout = timeout.map_or(FOREVER, nanos);
        let reply = anew(|| facade::call(self.0, from, tag, data, timeout, false));
        reply.map(Message::of).map_err(CallError::of)
    }

    /// Ends the mailbox with [`Reason::NORMAL`]. `NoProc` when it has ended already.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().open()?;
    /// mailbox.close()?;
    /// assert_eq!(mailbox.close(), Err(tidings::Error::NoProc));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn close(self) -> Result<()> {
        self.exit(Reason::NORMAL, b"")
    }

    /// Ends the mailbox: its names are free, its queue is discarded, and whoever monitors it is told reason and data.
    /// All of it is done when this returns.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.exit(tidings::Reason::user(3), b"no more of this")?;
    /// assert_eq!(mailbox.stats()?.reason, tidings::Reason::user(3));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn exit(self, reason: Reason, data: &[u8]) -> Result<()> {
        anew(|| facade::mailbox_exit(self.0, reason.0, data))
    }

    /// Ends the mailbox with [`Reason::KILLED`], which it cannot trap.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.kill()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn kill(self) -> Result<()> {
        anew(|| facade::mailbox_kill(self.0))
    }

    /// Waits until the mailbox is over and its handler does not run.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let address = mailbox.address();
    /// std::thread::spawn(move || drop(mailbox));
    /// address.wait(None)?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn wait(self, timeout: Option<Duration>) -> Result<()> {
        anew(|| facade::mailbox_wait(self.0, timeout.map_or(FOREVER, nanos), false))
    }

    /// The mailbox's counters, also after its end.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(0, b"")?;
    /// let stats = mailbox.stats()?;
    /// assert_eq!((stats.sent, stats.queued), (1, 1));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn stats(self) -> Result<MailboxStats> {
        anew(|| facade::mailbox_stats(self.0)).map(MailboxStats::of)
    }

    /// Lets what comes in wait: receives find nothing, and the handler is not called, until [`resume`](Self::resume).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.suspend()?;
    /// mailbox.send(0, b"")?;
    /// assert!(mailbox.try_recv()?.is_none());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn suspend(self) -> Result<()> {
        anew(|| facade::suspend(self.0))
    }

    /// Ends [`suspend`](Self::suspend).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.suspend()?;
    /// mailbox.send(0, b"waited")?;
    /// mailbox.resume()?;
    /// assert_eq!(mailbox.recv()?.data(), b"waited");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn resume(self) -> Result<()> {
        anew(|| facade::resume(self.0))
    }

    /// Sends a [`Kind::Timer`](crate::Kind::Timer) message later, unless the timer is dropped before.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let _timer = mailbox.send_after(Duration::from_millis(1), 5, b"ding")?;
    /// assert_eq!(mailbox.recv()?.data(), b"ding");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_after(self, delay: Duration, tag: u64, data: &[u8]) -> Result<Timer> {
        anew(|| facade::send_after(self.0, nanos(delay), tag, data)).map(Timer::of)
    }

    /// Sends a [`Kind::Timer`](crate::Kind::Timer) message in each period, the first after one, until the timer is
    /// dropped. At most one waits in the queue.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let ticks = mailbox.send_every(Duration::from_millis(1), 5, b"")?;
    /// assert_eq!((mailbox.recv()?.tag(), mailbox.recv()?.tag()), (5, 5));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_every(self, period: Duration, tag: u64, data: &[u8]) -> Result<Timer> {
        anew(|| facade::send_every(self.0, nanos(period), tag, data)).map(Timer::of)
    }

    /// Gives the mailbox a name, besides those it has. `Exist` when it is taken.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.register("source")?;
    /// assert_eq!(engine.whereis("source")?, Some(mailbox.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn register(self, name: &str) -> Result<()> {
        anew(|| facade::register(self.0, name))
    }

    /// Gives the mailbox a name, in one step from whoever has it, and says who that was.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let old = engine.mailbox().name("route").open()?;
    /// let new = engine.mailbox().open()?;
    /// assert_eq!(new.register_replace("route")?, Some(old.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn register_replace(self, name: &str) -> Result<Option<Address>> {
        anew(|| facade::register_replace(self.0, name)).map(Address::some)
    }

    /// Links two mailboxes: when either ends, with any reason but [`Reason::NORMAL`], so does the other, unless it
    /// [traps exits](Self::trap_exit).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.link(bob.address())?;
    /// bob.kill()?;
    /// assert!(!ann.stats()?.open);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn link(self, other: Address) -> Result<()> {
        anew(|| facade::link(self.0, other.0))
    }

    /// Ends a link.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.link(bob.address())?;
    /// bob.unlink(ann.address())?;
    /// bob.kill()?;
    /// assert!(ann.stats()?.open);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn unlink(self, other: Address) -> Result<()> {
        anew(|| facade::unlink(self.0, other.0))
    }

    /// Says whether the mailbox is told of the end of those it is linked to, by a [`Kind::Exit`](crate::Kind::Exit),
    /// instead of ending with them.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.trap_exit(true)?;
    /// ann.link(bob.address())?;
    /// bob.kill()?;
    /// assert_eq!(ann.recv()?.kind(), tidings::Kind::Exit);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn trap_exit(self, on: bool) -> Result<()> {
        anew(|| facade::trap_exit(self.0, on))
    }

    /// Makes the mailbox a member of a group, once more if it is one.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.join("workers")?;
    /// assert_eq!(engine.members("workers")?, [mailbox.address()]);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn join(self, group: &str) -> Result<()> {
        anew(|| facade::group_join(self.0, group))
    }

    /// Takes one join back. `NotFound` when there is none.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.join("workers")?;
    /// mailbox.leave("workers")?;
    /// assert!(engine.members("workers")?.is_empty());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn leave(self, group: &str) -> Result<()> {
        anew(|| facade::group_leave(self.0, group))
    }
}
