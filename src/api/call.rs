//! Calls: the right to answer, a question on its way, and why there is no answer.
//!
//! Guarantees: a caller hears exactly one thing of each call: a [`Ticket`] that is dropped unused says `NoReply`; a
//! [`Call`] that is dropped wants to hear nothing any more.

use super::{anew, nanos, Address, Mailbox, Message, MessageRef};
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
    /// The error alone: `Down` when the called mailbox ended first.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.close()?;
    /// let error = mailbox.call(0, b"", None).unwrap_err();
    /// assert_eq!(error.error(), tidings::Error::NoProc);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn error(&self) -> Error {
        match self {
            CallError::Down(_) => Error::Down,
            CallError::Failed(error) => *error,
        }
    }

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

    /// Its number: what [`MessageRef::reference`](crate::MessageRef::reference) of the request is.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let call = ann.call_start(bob.address(), 0, b"", None)?;
    /// let ticket = bob.recv()?.ticket().unwrap();
    /// assert_eq!(ticket.id(), call.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.0 .0
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

    /// Sends a part of the answer to a [`call_start`](crate::Mailbox::call_start) or
    /// [`call_many`](crate::Mailbox::call_many), waiting at most so long while the caller's mailbox is full: then it is
    /// `TimedOut`, or `Full` when so long is no time at all. `Stale` when the caller no longer waits; `Deadlock` when only
    /// this thread's own loop could make room; `Inval` for a [`call`](crate::Address::call), which takes no parts.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _call = ann.call_start(bob.address(), 0, b"count", None)?;
    /// let ticket = bob.recv()?.ticket().unwrap();
    /// ticket.part(b"one", None)?;
    /// ticket.part(b"two", None)?;
    /// ticket.end()?;
    /// let parts: Vec<_> = ann.iter().take(3).map(|m| m.kind()).collect();
    /// use tidings::Kind::*;
    /// assert_eq!(parts, [Part, Part, Reply]);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn part(&self, data: &[u8], timeout: Option<Duration>) -> Result<()> {
        anew(|| facade::reply_part(self.0, data, timeout.map_or(FOREVER, nanos), false))
    }

    /// Ends an answer in parts: a [`reply`](Self::reply) without data.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _call = ann.call_start(bob.address(), 0, b"count to none", None)?;
    /// bob.recv()?.ticket().unwrap().end()?;
    /// assert_eq!(ann.recv()?.kind(), tidings::Kind::Reply);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn end(self) -> Result<()> {
        self.reply(b"")
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let _ = facade::ticket_drop(self.0);
    }
}

/// A question on its way, to one or to many, whose answer comes to a mailbox. Its drop gives it up: nothing of it is seen
/// after that, on either side.
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

impl Mailbox {
    /// Sends a request to each of several mailboxes, as [`call_start`](Self::call_start): each brings one
    /// [`Kind::Reply`](crate::Kind::Reply) from it, as they come, whose [`error`](crate::MessageRef::error) says why there is
    /// no answer where there is none: also `NoProc`, `Full` and `TooBig` of one that did not take the request. Then one
    /// [`Kind::Replies`](crate::Kind::Replies) says how many [answered](crate::MessageRef::answered); for no mailboxes at
    /// once. One that is listed twice is called twice.
    ///
    /// It does not wait. `Closed` when this mailbox is over, `BadId` for a mailbox of another engine, and then nobody was
    /// called.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob, eve) = (engine.mailbox().open()?, engine.mailbox().open()?, engine.mailbox().open()?);
    /// let call = ann.call_many(&[bob.address(), eve.address()], 0, b"who is there?", None)?;
    /// bob.recv()?.ticket().unwrap().reply(b"bob")?;
    /// drop(eve);
    /// let (first, second, end) = (ann.recv()?, ann.recv()?, ann.recv()?);
    /// assert_eq!((&*first.text(), second.error()), ("bob", Some(tidings::Error::Down)));
    /// assert_eq!((end.answered(), end.unanswered(), end.reference()), (1, 1, call.id()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn call_many(&self, to: &[Address], tag: u64, data: &[u8], timeout: Option<Duration>) -> Result<Call> {
        let to: Vec<Id> = to.iter().map(|address| address.0).collect();
        anew(|| facade::call_many(&to, self.address().0, tag, data, timeout.map_or(FOREVER, nanos))).map(Call::of)
    }

    /// As [`MessageRef::forward`], in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob, eve) = (engine.mailbox().open()?, engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.send_to(bob.address(), 7, b"for eve")?;
    /// let message = bob.recv()?;
    /// bob.forward_to(eve.address(), &message)?;
    /// let forwarded = eve.recv()?;
    /// assert_eq!((forwarded.from(), forwarded.tag()), (Some(bob.address()), 7));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn forward_to(&self, to: Address, message: &MessageRef<'_>) -> Result<()> {
        message.forward_from(self.address().0, to)
    }
}

impl MessageRef<'_> {
    /// Sends the message on, from nobody. A request goes on as a request: who gets it answers it, and it is that one's end
    /// that the caller hears of. So do not ask for its [`ticket`](Self::ticket) before, whose drop would answer it.
    /// Anything else goes on as a [`Kind::Message`](crate::Kind::Message) with its tag and data, which is shared, not
    /// copied, where it is large.
    ///
    /// Errors are those of [`Address::send`], which may wait; for a request it never waits, and is `Full` whatever the
    /// policy, `Stale` when it was answered already or its caller no longer waits, `BadId` when that is of another engine,
    /// and `Deadlock` when `to` waits for the mailbox that waits for the answer. After an error the request is still with
    /// the mailbox that had it.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob, eve) = (engine.mailbox().open()?, engine.mailbox().open()?, engine.mailbox().open()?);
    /// let call = ann.call_start(bob.address(), 0, b"hard question", None)?;
    /// bob.recv()?.forward(eve.address())?;
    /// drop(bob);
    /// eve.recv()?.ticket().unwrap().reply(b"answer")?;
    /// let reply = ann.recv()?;
    /// assert_eq!((reply.reference(), &*reply.text()), (call.id(), "answer"));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn forward(&self, to: Address) -> Result<()> {
        self.forward_from(Id::NONE, to)
    }

    fn forward_from(&self, from: Id, to: Address) -> Result<()> {
        anew(|| facade::forward(to.0, from, self.raw(), self.data()))
    }
}
