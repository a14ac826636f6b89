//! Peeking: a walk over a queue that leaves it as it is, and takes what one chooses.
//!
//! Guarantees: a step costs the same however long the queue is; what is peeked at stays where it is and may go to
//! another receive meanwhile, which the take then says.

use super::{anew, nanos, polled, Mailbox, Message, MessageRef};
use crate::clock::FOREVER;
use crate::engine as facade;
use crate::error::{Error, Result};
use crate::message::Cursor;
use std::time::Duration;

/// A place in a mailbox's queue; see [`Mailbox::peek`]. Any number of them walk one queue, each by itself; it holds
/// nothing of the engine's, and nothing has to be done at its end.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let mailbox = engine.mailbox().open()?;
/// mailbox.send(1, b"small")?;
/// mailbox.send(2, b"rather large")?;
/// let mut peek = mailbox.peek();
/// while let Some(message) = peek.try_next()? {
///     if message.data().len() > 10 {
///         assert_eq!(peek.take()?.unwrap().tag(), 2);
///     }
/// }
/// assert_eq!(mailbox.recv()?.tag(), 1);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Peek<'a> {
    mailbox: &'a Mailbox,
    cursor: Cursor,
}

impl Peek<'_> {
    /// Waits, at most so long, for a message behind the one that was peeked at last, and gives a copy of it, which the
    /// caller keeps. `Again` when so long is no time at all, else `TimedOut`, when there is none; `Closed` when the
    /// mailbox is over; `Inval` when it has a handler.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(1, b"")?;
    /// let mut peek = mailbox.peek();
    /// assert_eq!(peek.next(None)?.tag(), 1);
    /// assert_eq!(peek.next(Some(Duration::from_millis(1))).unwrap_err(), tidings::Error::TimedOut);
    /// assert_eq!(mailbox.stats()?.queued, 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Message> {
        self.step(timeout.map_or(FOREVER, nanos))
    }

    fn step(&mut self, timeout: i64) -> Result<Message> {
        anew(|| facade::recv_peek(self.mailbox.address().0, &mut self.cursor, timeout, false)).map(Message::of)
    }

    /// As [`next`](Self::next) without waiting: `None` at the end of the queue, from where it goes on when more has come.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let mut peek = mailbox.peek();
    /// assert!(peek.try_next()?.is_none());
    /// mailbox.send(1, b"")?;
    /// assert_eq!(peek.try_next()?.unwrap().tag(), 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn try_next(&mut self) -> Result<Option<Message>> {
        polled(self.step(0))
    }

    /// Takes the message that was peeked at last out of the queue. `None` when it is gone: another receive has taken it,
    /// it was dropped, or withdrawn. It never waits: `Again` while the mailbox is suspended, `Closed` when it is over,
    /// `Inval` when nothing was peeked at yet.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(1, b"")?;
    /// let mut peek = mailbox.peek();
    /// peek.next(None)?;
    /// assert_eq!(peek.take()?.unwrap().tag(), 1);
    /// assert!(peek.take()?.is_none());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn take(&self) -> Result<Option<Message>> {
        match anew(|| facade::recv_take(self.mailbox.address().0, &self.cursor)) {
            Ok(message) => Ok(Some(Message::of(message))),
            Err(Error::Stale) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Mailbox {
    /// A walk over what waits here, from the oldest on, that takes only what it is told to: any condition becomes a
    /// selective receive. Other threads may receive meanwhile. Nothing happens before the first step.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send_many(&[(1, b"one"), (2, b"two")])?;
    /// let mut peek = mailbox.peek();
    /// assert_eq!((peek.next(None)?.tag(), peek.next(None)?.tag()), (1, 2));
    /// assert_eq!(mailbox.recv()?.tag(), 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn peek(&self) -> Peek<'_> {
        Peek { mailbox: self, cursor: Cursor::default() }
    }

    /// Waits, at most so long, for the oldest message that `wanted` says yes to, takes it, and leaves the rest in order.
    /// `wanted` is called on this thread with a copy of each message, and may call anything. Errors are those of
    /// [`Peek::next`]. What a [`Match`](crate::Match) can say costs less by [`recv_match`](Self::recv_match).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send_many(&[(0, b"apple"), (0, b"pear")])?;
    /// let pear = mailbox.recv_where(|message| message.data().starts_with(b"p"), None)?;
    /// assert_eq!(pear.text(), "pear");
    /// assert_eq!(mailbox.recv()?.text(), "apple");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn recv_where<F>(&self, mut wanted: F, timeout: Option<Duration>) -> Result<Message>
    where
        F: FnMut(&MessageRef<'_>) -> bool,
    {
        let patience = timeout.map_or(FOREVER, nanos);
        let limited = patience != 0 && patience != FOREVER;
        let deadline = if limited { self.now()?.saturating_add(patience) } else { patience };
        let mut peek = self.peek();
        loop {
            // Time that is up is no poll: that would have another error.
            let left = if limited { deadline.saturating_sub(self.now()?).max(1) } else { patience };
            let before = peek.cursor;
            if !wanted(&*peek.step(left)?) {
                continue;
            }
            match peek.take() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                // Suspended meanwhile: it is looked at anew after that.
                Err(Error::Again) => peek.cursor = before,
                Err(error) => return Err(error),
            }
        }
    }
}
