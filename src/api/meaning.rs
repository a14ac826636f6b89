//! What messages of the engine say, by their kind: errors, changes, snapshots, counts.
//!
//! Guarantees: each says nothing (`None`, 0, empty) of a message of another kind; nothing here waits or fails.

use super::{duration, Address, Kind, MessageRef, Reason};
use crate::clock::FOREVER;
use crate::error::Error;
use crate::message as m;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// What a watch tells; see [`MessageRef::change`].
///
/// ```
/// use tidings::Change;
///
/// # let engine = tidings::Engine::new()?;
/// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
/// let (_watch, _) = ann.watch_group("workers")?;
/// bob.join("workers")?;
/// drop(bob);
/// assert_eq!(ann.recv()?.change(), Some(Change::Joined));
/// assert_eq!(ann.recv()?.change(), Some(Change::Left));
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// A mailbox joined the group, or the key is present.
    Joined,
    /// A mailbox left the group or ended, or the key is gone.
    Left,
    /// There is a first subscription.
    Started,
    /// The last subscription is gone.
    Stopped,
}

/// How what is watched stands now, which replaces all that was known before; see [`MessageRef::snapshot`].
///
/// ```
/// use tidings::{Kind, Snapshot};
///
/// # let engine = tidings::Engine::new()?;
/// let ann = engine.mailbox().max_messages(1).open()?;
/// # let (bob, eve) = (engine.mailbox().open()?, engine.mailbox().open()?);
/// let (_watch, _) = ann.watch_group("workers")?;
/// bob.join("workers")?;
/// eve.join("workers")?;
/// let resync = ann.iter().find(|message| message.kind() == Kind::Resync).unwrap();
/// assert_eq!(resync.snapshot(), Some(Snapshot::Members(vec![bob.address(), eve.address()])));
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Snapshot {
    /// The members of a group, one per join.
    Members(Vec<Address>),
    /// The keys that are present.
    Keys(Vec<String>),
    /// How many subscriptions there are.
    Subscriptions(u64),
}

/// What is known of a message that reached nobody; see [`MessageRef::dead_letter`].
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let ann = engine.mailbox().open()?;
/// let _mourner = ann.subscribe("$dead")?;
/// let gone = engine.mailbox().open()?.address();
/// let _ = gone.send(7, b"too late");
/// let letter = ann.recv()?;
/// let dead = letter.dead_letter().unwrap();
/// assert_eq!((dead.to, dead.kind), (gone.id(), tidings::Kind::Message));
/// assert_eq!((dead.error, letter.tag()), (Some(tidings::Error::NoProc), 7));
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The id that it was for: a mailbox, a ticket, or the timer whose name nobody had.
    pub to: u64,
    /// What it was.
    pub kind: Kind,
    /// Why it did not arrive; `None` for an error of a later version of the engine.
    pub error: Option<Error>,
}

/// The mailboxes of a snapshot.
pub(super) fn members(data: &[u8]) -> Vec<Address> {
    let id = |bytes: &[u8]| Address::from_id(number(bytes));
    data.chunks_exact(8).map(id).collect()
}

/// The keys of a snapshot: each has a NUL behind it.
pub(super) fn keys(data: &[u8]) -> Vec<String> {
    let text = |key: &[u8]| String::from_utf8_lossy(key.strip_suffix(b"\0").unwrap_or(key)).into_owned();
    data.split_inclusive(|byte| *byte == 0).map(text).collect()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_ne_bytes)
}

impl MessageRef<'_> {
    fn is(&self, kind: Kind) -> bool {
        self.kind() == kind
    }

    /// Of a reply: the error that came instead of an answer, `Down` when the called mailbox ended first, with its
    /// [`reason`](Self::reason). `None` of an answer, also of one by [`Ticket::reply_error`](crate::Ticket::reply_error).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _call = ann.call_start(bob.address(), 0, b"", None)?;
    /// bob.kill()?;
    /// let reply = ann.recv()?;
    /// assert_eq!((reply.error(), reply.reason()), (Some(tidings::Error::Down), tidings::Reason::KILLED));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn error(&self) -> Option<Error> {
        Error::of(self.status()).filter(|_| self.is(Kind::Reply))
    }

    /// Why the mailbox ended: of [`Kind::Down`], [`Kind::Exit`] and [`Kind::End`], and of a reply whose
    /// [`error`](Self::error) is `Down`. The data has what more was said.
    ///
    /// ```
    /// use tidings::Reason;
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _monitor = ann.monitor(bob.address())?;
    /// bob.exit(Reason::user(0), b"tired")?;
    /// let down = ann.recv()?;
    /// assert_eq!((down.reason(), &*down.text()), (Reason::user(0), "tired"));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn reason(&self) -> Reason {
        match self.error() {
            Some(Error::Down) => Reason(self.info()[0] as i32),
            _ => Reason(self.status()),
        }
    }

    /// Of a request: when its caller gives up, on the clock of [`Engine::now`](crate::Engine::now). `None` when it never
    /// does.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _call = ann.call_start(bob.address(), 0, b"", Some(Duration::from_secs(60)))?;
    /// let left = bob.recv()?.deadline().unwrap().saturating_sub(engine.now()?);
    /// assert!(left > Duration::from_secs(30) && left <= Duration::from_secs(60));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn deadline(&self) -> Option<Duration> {
        let deadline = self.raw().deadline;
        (self.is(Kind::Request) && deadline != FOREVER).then(|| duration(deadline))
    }

    /// Of a watch's [`Kind::Member`], [`Kind::Presence`] or [`Kind::Interest`]: what happened.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let (_watch, subscriptions) = ann.watch_interest("news.>")?;
    /// let _subscription = bob.subscribe("news.rome")?;
    /// assert_eq!((subscriptions, ann.recv()?.change()), (0, Some(tidings::Change::Started)));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn change(&self) -> Option<Change> {
        if !matches!(self.kind(), Kind::Member | Kind::Presence | Kind::Interest) {
            return None;
        }
        match self.status() {
            m::STATUS_JOINED => Some(Change::Joined),
            m::STATUS_LEFT => Some(Change::Left),
            m::STATUS_STARTED => Some(Change::Started),
            m::STATUS_STOPPED => Some(Change::Stopped),
            _ => None,
        }
    }

    /// Of a [`Kind::Presence`]: the key that came or went.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let (_watch, _) = ann.watch_presence("room")?;
    /// bob.enter_presence("room", "bob", Duration::ZERO)?;
    /// assert_eq!(ann.recv()?.key(), "bob");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn key(&self) -> &str {
        let key = if self.is(Kind::Presence) { self.data() } else { b"" };
        std::str::from_utf8(key).unwrap_or_default()
    }

    /// Of a [`Kind::Resync`], which a watch sends where its changes found no room: how all stands now.
    ///
    /// ```
    /// use tidings::{Kind, Snapshot};
    ///
    /// # let engine = tidings::Engine::new()?;
    /// let ann = engine.mailbox().max_messages(1).open()?;
    /// # let bob = engine.mailbox().open()?;
    /// let (_watch, _) = ann.watch_interest("news.>")?;
    /// for topic in ["news.rome", "news.oslo"] {
    ///     drop(bob.subscribe(topic)?);
    /// }
    /// let resync = ann.iter().find(|message| message.kind() == Kind::Resync).unwrap();
    /// assert_eq!(resync.snapshot(), Some(Snapshot::Subscriptions(0)));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn snapshot(&self) -> Option<Snapshot> {
        if !self.is(Kind::Resync) {
            return None;
        }
        match Kind::of(self.info()[0] as u32) {
            Kind::Member => Some(Snapshot::Members(members(self.data()))),
            Kind::Presence => Some(Snapshot::Keys(keys(self.data()))),
            Kind::Interest => Some(Snapshot::Subscriptions(number(self.data()))),
            _ => None,
        }
    }

    /// What a DOWN of [`monitor_receipt`](crate::Mailbox::monitor_receipt) counts; both 0 for others.
    fn counted(&self) -> [u64; 2] {
        let mailbox = self.is(Kind::Down) && self.reason() != Reason::OS_EXIT;
        if mailbox {
            self.info()
        } else {
            [0; 2]
        }
    }

    /// Of the DOWN of a [`monitor_receipt`](crate::Mailbox::monitor_receipt): how many of the watcher's messages since
    /// the watch began were received.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _monitor = ann.monitor_receipt(bob.address())?;
    /// ann.send_to(bob.address(), 0, b"read")?;
    /// bob.recv()?;
    /// drop(bob);
    /// assert_eq!(ann.recv()?.consumed(), 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn consumed(&self) -> u64 {
        self.counted()[0]
    }

    /// Of the DOWN of a [`monitor_receipt`](crate::Mailbox::monitor_receipt): how many of the watcher's messages were
    /// not received any more.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _monitor = ann.monitor_receipt(bob.address())?;
    /// ann.send_to(bob.address(), 0, b"never read")?;
    /// drop(bob);
    /// assert_eq!(ann.recv()?.discarded(), 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn discarded(&self) -> u64 {
        self.counted()[1]
    }

    /// Of the DOWN of a [`monitor_process`](crate::Mailbox::monitor_process): how the process ended. `None` when that
    /// is not known: it was no child of this process, or was waited for before.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let ann = engine.mailbox().open()?;
    /// let mut child = std::process::Command::new("false").spawn().unwrap();
    /// let _monitor = ann.monitor_process(child.id())?;
    /// assert_eq!(ann.recv()?.exit_status().unwrap().code(), Some(1));
    /// child.wait().unwrap();
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn exit_status(&self) -> Option<ExitStatus> {
        if !self.is(Kind::Down) || self.reason() != Reason::OS_EXIT {
            return None;
        }
        // The system's own encoding: the exit code above the number of the signal.
        match self.info() {
            [1, code] => Some(ExitStatus::from_raw(((code & 0xFF) << 8) as i32)),
            [2, signal] => Some(ExitStatus::from_raw((signal & 0x7F) as i32)),
            _ => None,
        }
    }

    /// Of a [`Kind::Replies`], the end of a [`call_many`](crate::Mailbox::call_many): how many answered, with a failure
    /// of their own, too.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _call = ann.call_many(&[bob.address()], 0, b"", None)?;
    /// bob.recv()?.ticket().unwrap().reply(b"yes")?;
    /// assert_eq!(ann.recv()?.text(), "yes");
    /// assert_eq!(ann.recv()?.answered(), 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn answered(&self) -> u64 {
        if self.is(Kind::Replies) {
            self.info()[0]
        } else {
            0
        }
    }

    /// Of a [`Kind::Replies`], the end of a [`call_many`](crate::Mailbox::call_many): how many did not answer.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// bob.close()?;
    /// let _call = ann.call_many(&[bob.address()], 0, b"", None)?;
    /// assert_eq!(ann.recv()?.error(), Some(tidings::Error::NoProc));
    /// assert_eq!(ann.recv()?.unanswered(), 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn unanswered(&self) -> u64 {
        if self.is(Kind::Replies) {
            self.info()[1]
        } else {
            0
        }
    }

    /// Of a [`Kind::Notify`]: the bits of every [`notify`](Address::notify) since the last one, together.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().notifiable().open()?;
    /// mailbox.notify(1)?;
    /// assert_eq!(mailbox.recv()?.bits(), 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn bits(&self) -> u64 {
        if self.is(Kind::Notify) {
            self.tag()
        } else {
            0
        }
    }

    /// How many earlier messages it took the place of, by [`Policy::Conflate`](crate::Policy::Conflate).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().policy(tidings::Policy::Conflate).open()?;
    /// mailbox.send(7, b"old")?;
    /// mailbox.send(7, b"new")?;
    /// let message = mailbox.recv()?;
    /// assert_eq!((&*message.text(), message.replaced()), ("new", 1));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn replaced(&self) -> u64 {
        let sent = self.raw().kind < m::KIND_DOWN && !self.is_of_the_dead();
        if sent {
            self.info()[0]
        } else {
            0
        }
    }

    /// Whether it is its topic's retained value, from before the subscription.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// engine.publish_retained("weather.rome", 0, b"sunny")?;
    /// let _subscription = mailbox.subscribe("weather.*")?;
    /// assert!(mailbox.recv()?.is_retained());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn is_retained(&self) -> bool {
        self.is(Kind::Topic) && self.status() == m::STATUS_RETAINED && !self.is_of_the_dead()
    }

    fn is_of_the_dead(&self) -> bool {
        self.is(Kind::Topic) && self.topic() == "$dead"
    }

    /// Of a message under the topic `$dead`: what is known of the one that reached nobody, whose sender, tag and data
    /// are those of this one.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let ann = engine.mailbox().open()?;
    /// let _mourner = ann.subscribe("$dead")?;
    /// let gone = engine.mailbox().open()?.address();
    /// assert!(gone.send(0, b"").is_err());
    /// assert_eq!(ann.recv()?.dead_letter().unwrap().to, gone.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn dead_letter(&self) -> Option<DeadLetter> {
        let [to, kind] = self.info();
        self.is_of_the_dead().then(|| DeadLetter { to, kind: Kind::of(kind as u32), error: Error::of(self.status()) })
    }
}
