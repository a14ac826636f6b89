//! Messages: what they say, which are wanted.
//!
//! Guarantees: a [`Message`] keeps its payload until it is dropped, on any thread; a [`MessageRef`] does not outlive the
//! batch it is in.

use super::raw::{self, Held};
use super::{Address, Ticket};
use crate::engine as facade;
use crate::id::Id;
use crate::message as m;
use std::fmt;
use std::ops::Deref;

/// What a message is.
///
/// ```
/// let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().open()?;
/// mailbox.send(0, b"hello")?;
/// assert_eq!(mailbox.recv()?.kind(), tidings::Kind::Message);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// From a send.
    Message = 1,
    /// A call: [`MessageRef::ticket`] answers it.
    Request = 2,
    /// Through a subscription, which `reference` is.
    Topic = 3,
    /// Part of an answer to the call that `reference` is.
    Part = 4,
    /// A mailbox joined or left a group: [`change`](MessageRef::change), by the watch that `reference` is.
    Member = 5,
    /// A first subscription came, or the last one went: [`change`](MessageRef::change).
    Interest = 6,
    /// A [`key`](MessageRef::key) came or went: [`change`](MessageRef::change).
    Presence = 7,
    /// The mailbox `from`, or a process, ended; `reference` is the monitor.
    Down = 16,
    /// A timer, which `reference` is.
    Timer = 17,
    /// The answer to the call that `reference` is.
    Reply = 18,
    /// A mailbox that is linked to this one ended.
    Exit = 19,
    /// Changes found no room: [`snapshot`](MessageRef::snapshot) is all of it anew.
    Resync = 20,
    /// The end of a call to many, which `reference` is.
    Replies = 21,
    /// [`bits`](MessageRef::bits) from a signal handler.
    Notify = 22,
    /// The mailbox itself is over.
    End = 32,
    /// Of a later version of the engine.
    Other = 255,
}

impl Kind {
    const KNOWN: [Kind; 15] = [
        Kind::Message,
        Kind::Request,
        Kind::Topic,
        Kind::Part,
        Kind::Member,
        Kind::Interest,
        Kind::Presence,
        Kind::Down,
        Kind::Timer,
        Kind::Reply,
        Kind::Exit,
        Kind::Resync,
        Kind::Replies,
        Kind::Notify,
        Kind::End,
    ];

    pub(super) fn of(kind: u32) -> Kind {
        Kind::KNOWN.into_iter().find(|known| *known as u32 == kind).unwrap_or(Kind::Other)
    }
}

/// A message, owned: it keeps its payload until it is dropped. What it says is read as of a [`MessageRef`].
///
/// ```
/// let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().open()?;
/// mailbox.send(7, b"hello")?;
/// let message = mailbox.recv()?;
/// assert_eq!((message.tag(), message.data()), (7, &b"hello"[..]));
/// std::thread::spawn(move || assert_eq!(message.text(), "hello")).join().unwrap();
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
pub struct Message(MessageRef<'static>);

impl Message {
    pub(super) fn of(message: m::Message) -> Message {
        Message(MessageRef::of(message))
    }
}

impl Deref for Message {
    type Target = MessageRef<'static>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let _ = facade::message_release(self.0.raw.0.owner);
    }
}

/// A message as it is read: by itself, or in the batch that it belongs to.
///
/// ```
/// fn show(message: &tidings::MessageRef<'_>) -> String {
///     format!("{:?} {}: {}", message.kind(), message.tag(), message.text())
/// }
/// let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().open()?;
/// mailbox.send(7, b"hello")?;
/// let message = mailbox.recv()?;
/// assert_eq!(show(&message), "Message 7: hello");
/// # Ok::<(), tidings::Error>(())
/// ```
pub struct MessageRef<'a> {
    raw: Held<m::Message>,
    _in: std::marker::PhantomData<&'a [u8]>,
}

impl MessageRef<'_> {
    pub(super) fn of(message: m::Message) -> Self {
        MessageRef { raw: Held(message), _in: std::marker::PhantomData }
    }

    pub(super) fn raw(&self) -> &m::Message {
        &self.raw.0
    }

    /// What it is.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let timer = mailbox.send_after(std::time::Duration::ZERO, 3, b"")?;
    /// let message = mailbox.recv()?;
    /// assert!(message.kind() == tidings::Kind::Timer && message.reference() == timer.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn kind(&self) -> Kind {
        Kind::of(self.raw.0.kind)
    }

    /// The payload.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(0, &[1, 2, 3])?;
    /// assert_eq!(mailbox.recv()?.data(), [1, 2, 3]);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn data(&self) -> &[u8] {
        raw::data(&self.raw.0)
    }

    /// The payload as text; what is not UTF-8 is replaced.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(0, "grüß dich".as_bytes())?;
    /// assert_eq!(mailbox.recv()?.text(), "grüß dich");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.data())
    }

    /// The sending mailbox; `None` for nobody.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// bob.send_to(ann.address(), 0, b"from bob")?;
    /// assert_eq!(ann.recv()?.from(), Some(bob.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn from(&self) -> Option<Address> {
        Address::some(self.raw.0.from)
    }

    /// The application's number.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(42, b"")?;
    /// assert_eq!(mailbox.recv()?.tag(), 42);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn tag(&self) -> u64 {
        self.raw.0.tag
    }

    /// The id of the monitor, timer, subscription or call that it belongs to, by kind; else 0.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let monitor = ann.monitor(bob.address())?;
    /// drop(bob);
    /// assert_eq!(ann.recv()?.reference(), monitor.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn reference(&self) -> u64 {
        self.raw.0.r#ref
    }

    /// The status, a number, by kind: of a reply 0 or what [`reply_error`](Ticket::reply_error) gave. What else there is
    /// has names of its own: [`reason`](Self::reason), [`error`](Self::error), [`change`](Self::change).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(0, b"")?;
    /// assert_eq!(mailbox.recv()?.status(), 0);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn status(&self) -> i32 {
        self.raw.0.status
    }

    /// The topic that it was published under, or the name or group that it is about; else empty.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let _subscription = mailbox.subscribe("weather.*")?;
    /// engine.publish("weather.rome", 0, b"sunny")?;
    /// assert_eq!(mailbox.recv()?.topic(), "weather.rome");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn topic(&self) -> &str {
        raw::topic(&self.raw.0)
    }

    /// How many messages were dropped just before this one.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().policy(tidings::Policy::DropOld).max_messages(1).open()?;
    /// mailbox.send(0, b"old")?;
    /// mailbox.send(0, b"new")?;
    /// let message = mailbox.recv()?;
    /// assert_eq!((&*message.text(), message.lost()), ("new", 1));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn lost(&self) -> u64 {
        self.raw.0.lost
    }

    /// What else the engine says of this kind of message, as in the C header; [`consumed`](Self::consumed),
    /// [`answered`](Self::answered) and their like give names to it.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(0, b"")?;
    /// assert_eq!(mailbox.recv()?.info(), [0, 0]);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn info(&self) -> [u64; 2] {
        self.raw.0.info
    }

    /// The right to answer a request; `None` for other kinds. A ticket that is dropped unused says so to the caller.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let call = ann.call_start(bob.address(), 0, b"how are you?", None)?;
    /// bob.recv()?.ticket().unwrap().reply(b"fine")?;
    /// let reply = ann.recv()?;
    /// assert!(reply.reference() == call.id() && reply.data() == b"fine");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn ticket(&self) -> Option<Ticket> {
        (self.kind() == Kind::Request).then(|| Ticket::of(Id(self.raw.0.r#ref)))
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Message");
        out.field("kind", &self.kind()).field("tag", &self.tag()).field("from", &self.from());
        out.field("size", &self.data().len()).finish_non_exhaustive()
    }
}

/// Which messages a selective receive takes: those for which all that was said holds.
///
/// ```
/// use tidings::{Kind, Match};
///
/// let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().open()?;
/// for tag in 1..=3 {
///     mailbox.send(tag, b"")?;
/// }
/// let wanted = Match::new().kind(Kind::Message).tag(2);
/// assert_eq!(mailbox.recv_match(&wanted, None)?.tag(), 2);
/// assert_eq!(mailbox.recv()?.tag(), 1);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Match(pub(super) m::Match);

impl Match {
    /// Everything.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(1, b"")?;
    /// assert_eq!(mailbox.recv_match(&tidings::Match::new(), None)?.tag(), 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn new() -> Match {
        Match::default()
    }

    fn also(mut self, field: u32, set: impl FnOnce(&mut m::Match)) -> Match {
        self.0.fields |= field;
        set(&mut self.0);
        self
    }

    /// Of this kind.
    ///
    /// ```
    /// let timers = tidings::Match::new().kind(tidings::Kind::Timer);
    /// ```
    pub fn kind(self, kind: Kind) -> Match {
        self.also(m::MATCH_KIND, |wanted| wanted.kind = kind as u32)
    }

    /// With this tag.
    ///
    /// ```
    /// let seventh = tidings::Match::new().tag(7);
    /// ```
    pub fn tag(self, tag: u64) -> Match {
        self.tag_masked(tag, u64::MAX)
    }

    /// With a tag that has these bits where the mask is set.
    ///
    /// ```
    /// let even = tidings::Match::new().tag_masked(0, 1);
    /// ```
    pub fn tag_masked(self, tag: u64, mask: u64) -> Match {
        self.also(m::MATCH_TAG, |wanted| (wanted.tag, wanted.tag_mask) = (tag, mask))
    }

    /// From this mailbox.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let bob = engine.mailbox().open()?;
    /// let of_bob = tidings::Match::new().from(bob.address());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn from(self, from: Address) -> Match {
        self.also(m::MATCH_FROM, |wanted| wanted.from = from.0)
    }

    /// With this [`reference`](MessageRef::reference): however long the queue is, it is found at once.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let monitor = ann.monitor(bob.address())?;
    /// drop(bob);
    /// ann.recv_match(&tidings::Match::new().reference(monitor.id()), None)?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn reference(self, reference: u64) -> Match {
        self.also(m::MATCH_REF, |wanted| wanted.r#ref = reference)
    }
}
