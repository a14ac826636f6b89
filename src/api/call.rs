//! Calls: the right to answer, a question on its way, and why there is no answer.
//!
//! Guarantees: a caller hears exactly one thing of each call: a [`Ticket`] that is dropped unused says `NoReply`; a
//! [`Call`] that is dropped wants to hear nothing any more.

use super::{anew, nanos, Message};
use crate::call;
use crate::clock::FOREVER;
use crate::engine as facade;
use crate::error::{Error, Result};
use crate::id::Id;
use std::fmt;
use std::mem::ManuallyDrop;
use std::time::Duration;

/// Why a call that waits has no reply.
///
/// ```
/// use tidings::{CallError, Reason};
///
/// let engine = tidings::Engine::new()?;
/// let server = engine.mailbox().open()?;
/// let address = server.address();
/// std::thread::spawn(move || {
///     let _request = server.recv();
///     server.exit(Reason::user(1), b"too hard")
/// });
/// match address.call(0, b"why?", None) {
///     Err(CallError::Down(down)) => assert_eq!(down.text(), "too hard"),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
pub enum CallError {
    /// The called mailbox ended before it replied: its DOWN, with the reason.
    Down(Message),
    /// `NoProc` when nobody was there, `TimedOut`, `NoReply`, `Deadlock` when the call could never return, and others.
    Failed(Error),
}

impl CallError {
    pub(super) fn of(error: facade::CallError) -> CallError {
        match error {
            call::CallError::Plain(error) => CallError::Failed(error),
            call::CallError::Down(down) => CallError::Down(Message::of(down)),
            call::CallError::Overflowed(_) => CallError::Failed(Error::Full),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Down(down) => write!(f, "{}: {}", Error::Down, down.reason()),
            CallError::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

impl From<Error> for CallError {
    fn from(error: Error) -> CallError {
        CallError::Failed(error)
    }
}

/// The right to answer a request, once; see [`MessageRef::ticket`](crate::MessageRef::ticket). It may go to another
/// thread, and outlives the request. Dropped unused, the caller gets `NoReply`.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let server = engine.mailbox().open()?;
/// let address = server.address();
/// std::thread::spawn(move || drop(server.recv().unwrap().ticket()));
/// let error = address.call(0, b"", None).unwrap_err();
/// assert!(matches!(error, tidings::CallError::Failed(tidings::Error::NoReply)));
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a ticket that is dropped tells the caller that there will be no reply"]
pub struct Ticket(Id);

impl Ticket {
    pub(super) fn of(id: Id) -> Ticket {
        Ticket(id)
    }

    /// Answers. `Stale` when the caller no longer waits.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _call = ann.call_start(bob.address(), 0, b"2 + 2", None)?;
    /// bob.recv()?.ticket().unwrap().reply(b"4")?;
    /// assert_eq!(ann.recv()?.data(), b"4");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn reply(self, data: &[u8]) -> Result<()> {
        anew(|| facade::reply(ManuallyDrop::new(self).0, 0, data))
    }

    /// Answers with a failure of the application's: status, at least 1, is that of the reply.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _call = ann.call_start(bob.address(), 0, b"1 / 0", None)?;
    /// bob.recv()?.ticket().unwrap().reply_error(33, b"division by zero")?;
    /// assert_eq!(ann.recv()?.status(), 33);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn reply_error(self, status: i32, data: &[u8]) -> Result<()> {
        if status < 1 {
            return Err(Error::Inval.because(format!("the status is {status}; at least 1 is a failure of one's own")));
        }
        anew(|| facade::reply(ManuallyDrop::new(self).0, status, data))
    }

    /// Sends a part of the answer to a [`call_start`](crate::Mailbox::call_start), waiting at most so long while the
    /// caller's mailbox is full.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _call = ann.call_start(bob.address(), 0, b"count", None)?;
    /// let ticket = bob.recv()?.ticket().unwrap();
    /// ticket.part(b"one", None)?;
    /// ticket.part(b"two", None)?;
    /// ticket.reply(b"")?;
    /// let parts: Vec<_> = ann.iter().take(3).map(|m| m.kind()).collect();
    /// use tidings::Kind::*;
    /// assert_eq!(parts, [Part, Part, Reply]);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn part(&self, data: &[u8], timeout: Option<Duration>) -> Result<()> {
        anew(|| facade::reply_part(self.0, data, timeout.map_or(FOREVER, nanos), false))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let _ = facade::ticket_drop(self.0);
    }
}

/// A question on its way, whose answer comes to a mailbox. Its drop gives it up: nothing of it is seen after that, on
/// either side.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
/// let call = ann.call_start(bob.address(), 0, b"", None)?;
/// drop(call);
/// assert!(bob.try_recv()?.is_none());
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a call that is dropped is given up; see Call::detach"]
pub struct Call(Id);

impl Call {
    pub(super) fn of(id: Id) -> Call {
        Call(id)
    }

    /// What [`MessageRef::reference`](crate::MessageRef::reference) of its reply and parts is.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let call = ann.call_start(bob.address(), 0, b"", None)?;
    /// drop(bob);
    /// let reply = ann.recv_match(&tidings::Match::new().reference(call.id()), None)?;
    /// assert_eq!(reply.status(), tidings::Error::Down.code());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.0 .0
    }

    /// Lets the answer come in any case, and gives the call's number.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let number = ann.call_start(bob.address(), 0, b"", None)?.detach();
    /// bob.recv()?.ticket().unwrap().reply(b"")?;
    /// assert_eq!(ann.recv()?.reference(), number);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn detach(self) -> u64 {
        ManuallyDrop::new(self).0 .0
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _ = facade::call_cancel(self.0);
    }
}
