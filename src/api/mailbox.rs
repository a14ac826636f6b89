//! Mailboxes: receiving, and what is done in a mailbox's own name.
//!
//! Guarantees: a [`Mailbox`] ends with its drop at the latest; each message goes to exactly one receive, from any
//! thread.

use super::{anew, nanos, raw, Address, Batch, Call, CallError, Match, Message};
use crate::clock::FOREVER;
use crate::engine as facade;
use crate::error::{Error, Result};
use crate::id::Id;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A mailbox of one's own: an ordered, bounded queue with an identity and a life, which ends when this is dropped. What
/// anybody may do with it is in [`Address`], to which it dereferences.
///
/// ```
/// let engine = tidings::Engine::new()?;
/// let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
/// let _watch = ann.monitor(bob.address())?;
/// bob.send_to(ann.address(), 7, b"hello")?;
/// drop(bob);
/// assert_eq!(ann.recv()?.text(), "hello");
/// assert_eq!(ann.recv()?.kind(), tidings::Kind::Down);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
pub struct Mailbox {
    address: Address,
    engine: Id,
}

impl Deref for Mailbox {
    type Target = Address;
    fn deref(&self) -> &Address {
        &self.address
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = self.address.close();
    }
}

/// What a poll found: nothing yet is no failure.
pub(super) fn polled<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::Again) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Mailbox {
    pub(super) fn of(id: Id, engine: Id) -> Mailbox {
        Mailbox { address: Address(id), engine }
    }

    pub(super) fn engine(&self) -> Id {
        self.engine
    }

    /// The time of its engine's clock. Where that is closed the mailbox is over.
    pub(super) fn now(&self) -> Result<i64> {
        facade::now(self.engine).map_err(|error| if error == Error::Stale { Error::Closed } else { error })
    }

    /// Its address, for others.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let address = mailbox.address();
    /// std::thread::spawn(move || address.send(0, b"from a thread"));
    /// assert_eq!(mailbox.recv()?.text(), "from a thread");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn address(&self) -> Address {
        self.address
    }

    /// Leaves it open without an owner: it ends by its address, by its thread or loop, or with its engine.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let address = engine.mailbox().open()?.detach();
    /// assert!(address.stats()?.open);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn detach(self) -> Address {
        ManuallyDrop::new(self).address
    }

    /// Waits for the oldest message and takes it. `Closed` when the mailbox is over.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(0, b"hello")?;
    /// assert_eq!(mailbox.recv()?.data(), b"hello");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn recv(&self) -> Result<Message> {
        anew(|| facade::recv(self.address.0, FOREVER, false)).map(Message::of)
    }

    /// As [`recv`](Self::recv), at most so long: then it is `TimedOut`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let error = mailbox.recv_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error, tidings::Error::TimedOut);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message> {
        anew(|| facade::recv(self.address.0, nanos(timeout), false)).map(Message::of)
    }

    /// Takes the oldest message if there is one.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// assert!(mailbox.try_recv()?.is_none());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn try_recv(&self) -> Result<Option<Message>> {
        polled(anew(|| facade::recv(self.address.0, 0, false)).map(Message::of))
    }

    /// Waits, at most so long, for the oldest message that is wanted, and leaves the rest in order.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(1, b"")?;
    /// mailbox.send(2, b"")?;
    /// let wanted = tidings::Match::new().tag(2);
    /// assert_eq!(mailbox.recv_match(&wanted, None)?.tag(), 2);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn recv_match(&self, wanted: &Match, timeout: Option<Duration>) -> Result<Message> {
        let timeout = timeout.map_or(FOREVER, nanos);
        anew(|| facade::recv_match(self.address.0, &wanted.0, timeout, false)).map(Message::of)
    }

    /// Waits, at most so long, and takes many messages at once.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send_many(&[(1, b"one"), (2, b"two")])?;
    /// let mut batch = mailbox.recv_batch(None)?;
    /// let mut tags = Vec::new();
    /// while let Some(message) = batch.next() {
    ///     tags.push(message.tag());
    /// }
    /// assert_eq!(tags, [1, 2]);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn recv_batch(&self, timeout: Option<Duration>) -> Result<Batch> {
        anew(|| facade::recv_batch(self.address.0, timeout.map_or(FOREVER, nanos), false)).map(Batch::of)
    }

    /// Receives until the mailbox is over.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(1, b"")?;
    /// for message in mailbox.iter() {
    ///     assert_eq!(message.tag(), 1);
    ///     mailbox.close()?;
    /// }
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn iter(&self) -> Iter<'_> {
        Iter(self)
    }

    /// A descriptor that is readable while there is something to receive: level-triggered, for poll and its like.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let fd: std::os::fd::OwnedFd = mailbox.fd()?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn fd(&self) -> Result<OwnedFd> {
        anew(|| facade::mailbox_fd(self.address.0)).map(raw::descriptor)
    }

    /// Sends a copy of the data in this mailbox's name: [`Address::send`] with a sender. Messages of one sender to one
    /// mailbox stay in order.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.send_to(bob.address(), 0, b"hello")?;
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_to(&self, to: Address, tag: u64, data: &[u8]) -> Result<()> {
        anew(|| facade::send(to.0, self.address.0, tag, data))
    }

    /// As [`Address::send_many`], in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// assert_eq!(ann.send_many_to(bob.address(), &[(1, b"one"), (2, b"two")])?, 2);
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_many_to(&self, to: Address, items: &[(u64, &[u8])]) -> Result<usize> {
        to.send_many_from(self.address.0, items)
    }

    /// As [`Address::send_owned`], in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.send_owned_to(bob.address(), 0, vec![1u8; 1_000_000]).map_err(|(error, _large)| error)?;
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_owned_to<B>(&self, to: Address, tag: u64, payload: B) -> Result<(), (Error, B)>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        to.send_owned_from(self.address.0, tag, payload)
    }

    /// As [`Address::send_timeout`], in this mailbox's name; `Closed` when it ends meanwhile.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.send_timeout_to(bob.address(), 0, b"hello", Duration::from_secs(1))?;
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_timeout_to(&self, to: Address, tag: u64, data: &[u8], timeout: Duration) -> Result<()> {
        to.send_timeout_from(self.address.0, tag, data, timeout)
    }

    /// As [`Engine::send_name`](crate::Engine::send_name), in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let ann = engine.mailbox().open()?;
    /// let bob = engine.mailbox().name("bob").open()?;
    /// ann.send_name("bob", 0, b"hello")?;
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn send_name(&self, name: &str, tag: u64, data: &[u8]) -> Result<()> {
        anew(|| facade::send_name(self.engine, name, self.address.0, tag, data))
    }

    /// As [`Address::call`], in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// # let to = bob.address();
    /// std::thread::spawn(move || {
    ///     let request = bob.recv().unwrap();
    ///     let caller = request.from().unwrap();
    ///     request.ticket().unwrap().reply(&caller.id().to_ne_bytes())
    /// });
    /// assert_eq!(ann.call_to(to, 0, b"who am I?", None)?.data(), ann.id().to_ne_bytes());
    /// # Ok::<(), tidings::CallError>(())
    /// ```
    pub fn call_to(&self, to: Address, tag: u64, data: &[u8], timeout: Option<Duration>) -> Result<Message, CallError> {
        to.call_from(self.address.0, tag, data, timeout)
    }

    /// Sends a request whose answer comes to this mailbox as one [`Kind::Reply`](crate::Kind::Reply) with this tag.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let call = ann.call_start(bob.address(), 9, b"", None)?;
    /// bob.recv()?.ticket().unwrap().reply(b"later")?;
    /// let reply = ann.recv()?;
    /// assert_eq!((reply.reference(), reply.tag()), (call.id(), 9));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn call_start(&self, to: Address, tag: u64, data: &[u8], timeout: Option<Duration>) -> Result<Call> {
        let timeout = timeout.map_or(FOREVER, nanos);
        anew(|| facade::call_start(to.0, self.address.0, tag, data, timeout)).map(Call::of)
    }
}

impl<'a> IntoIterator for &'a Mailbox {
    type Item = Message;
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The messages of a mailbox as they come, until it is over.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let mailbox = engine.mailbox().open()?;
/// mailbox.send(1, b"")?;
/// mailbox.send(2, b"")?;
/// let two: Vec<u64> = mailbox.iter().take(2).map(|message| message.tag()).collect();
/// assert_eq!(two, [1, 2]);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Iter<'a>(&'a Mailbox);

impl Iterator for Iter<'_> {
    type Item = Message;
    fn next(&mut self) -> Option<Message> {
        self.0.recv().ok()
    }
}
