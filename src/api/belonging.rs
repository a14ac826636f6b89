//! Belonging, watched: the members of a group, who is present, whether anybody listens.
//!
//! Guarantees: how it stands and the watch are one step, so each change from then on is told exactly once, in order; a
//! [`Watch`] ends with its drop, unless it was detached, and with its mailbox at the latest.

use super::meaning::{keys, members};
use super::{anew, nanos, Address, Engine, Mailbox, Message};
use crate::engine as facade;
use crate::error::Result;
use crate::id::Id;
use std::mem::ManuallyDrop;
use std::time::Duration;

/// A watch of a group, a presence or an interest: a message for each change. Where changes find the mailbox full they
/// become one [`Kind::Resync`](crate::Kind::Resync) with a [`snapshot`](crate::MessageRef::snapshot). Its drop ends it:
/// no change is told any more, and what is queued stays.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
/// let (watch, _members) = ann.watch_group("workers")?;
/// drop(watch);
/// bob.join("workers")?;
/// assert!(ann.try_recv()?.is_none());
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a watch that is dropped is over; see Watch::detach"]
pub struct Watch(Id);

impl Watch {
    /// What [`MessageRef::reference`](crate::MessageRef::reference) of its messages is.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let (watch, _members) = ann.watch_group("workers")?;
    /// bob.join("workers")?;
    /// assert_eq!(ann.recv()?.reference(), watch.id());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.0 .0
    }

    /// Ends it and takes out what is queued, too: nothing of it is seen after this. `Stale` when it was over already.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let (watch, _members) = ann.watch_group("workers")?;
    /// bob.join("workers")?;
    /// watch.flush()?;
    /// assert!(ann.try_recv()?.is_none());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn flush(self) -> Result<()> {
        anew(|| facade::unwatch(ManuallyDrop::new(self).0, true))
    }

    /// Leaves it to watch for as long as its mailbox lives, and gives its number.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let number = ann.watch_group("workers")?.0.detach();
    /// bob.join("workers")?;
    /// assert_eq!(ann.recv()?.reference(), number);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn detach(self) -> u64 {
        ManuallyDrop::new(self).0 .0
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = facade::unwatch(self.0, false);
    }
}

/// A watch that has begun, and what it found.
fn begun<T>(found: (Id, crate::message::Message), read: impl FnOnce(&[u8]) -> T) -> (Watch, T) {
    let (watch, snapshot) = found;
    (Watch(watch), read(Message::of(snapshot).data()))
}

impl Mailbox {
    /// The members of a group, one per join, and in the same step a watch: from now on each join and leave brings one
    /// [`Kind::Member`](crate::Kind::Member), [`from`](crate::MessageRef::from) whoever it was, with the group as its topic
    /// and a [`change`](crate::MessageRef::change). `NoProc` when this mailbox is over; it does not wait.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob, eve) = (engine.mailbox().open()?, engine.mailbox().open()?, engine.mailbox().open()?);
    /// bob.join("workers")?;
    /// let (_watch, members) = ann.watch_group("workers")?;
    /// assert_eq!(members, [bob.address()]);
    /// eve.join("workers")?;
    /// let change = ann.recv()?;
    /// assert_eq!((change.from(), change.change()), (Some(eve.address()), Some(tidings::Change::Joined)));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn watch_group(&self, group: &str) -> Result<(Watch, Vec<Address>)> {
        anew(|| facade::group_watch(self.address().0, group, 0)).map(|found| begun(found, members))
    }

    /// The keys that are present, and in the same step a watch: from now on each key that comes or goes brings one
    /// [`Kind::Presence`](crate::Kind::Presence) with the [`key`](crate::MessageRef::key) and a
    /// [`change`](crate::MessageRef::change). One who comes back in time was never gone. `NoProc` when this mailbox is over;
    /// it does not wait.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// bob.enter_presence("room", "bob", Duration::ZERO)?;
    /// let (_watch, keys) = ann.watch_presence("room")?;
    /// assert_eq!(keys, ["bob"]);
    /// drop(bob);
    /// let change = ann.recv()?;
    /// assert_eq!((change.key(), change.change()), ("bob", Some(tidings::Change::Left)));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn watch_presence(&self, group: &str) -> Result<(Watch, Vec<String>)> {
        anew(|| facade::presence_watch(self.address().0, group, 0)).map(|found| begun(found, keys))
    }

    /// How many subscriptions a topic that fits the pattern could reach, and in the same step a watch: from now on the
    /// first of them brings one [`Kind::Interest`](crate::Kind::Interest) that it [started](crate::Change::Started), and the
    /// end of the last one that it [stopped](crate::Change::Stopped). So one need not publish what nobody wants.
    /// `NoProc` when this mailbox is over, `Inval` for what is no pattern; it does not wait.
    ///
    /// ```
    /// use tidings::Change;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let (_watch, subscriptions) = ann.watch_interest("weather.>")?;
    /// assert_eq!(subscriptions, 0);
    /// drop(bob.subscribe("weather.rome")?);
    /// assert_eq!(ann.recv()?.change(), Some(Change::Started));
    /// assert_eq!(ann.recv()?.change(), Some(Change::Stopped));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn watch_interest(&self, pattern: &str) -> Result<(Watch, u64)> {
        anew(|| facade::interest_watch(self.address().0, pattern, 0)).map(|(watch, count)| (Watch(watch), count))
    }
}

impl Address {
    /// Makes a key of 1 to 255 bytes, without a NUL, present in a group of keys for as long as the mailbox lives, and for
    /// `grace` after its end: if another mailbox enters the key by then, nobody hears that it was gone. Entering again
    /// changes the grace. `NoProc` when the mailbox is over.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let (_watch, _) = ann.watch_presence("room")?;
    /// bob.enter_presence("room", "bob", Duration::from_secs(60))?;
    /// drop(bob);
    /// engine.mailbox().open()?.detach().enter_presence("room", "bob", Duration::from_secs(60))?;
    /// assert_eq!(ann.recv()?.change(), Some(tidings::Change::Joined));
    /// assert!(ann.try_recv()?.is_none(), "bob was never gone");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn enter_presence(self, group: &str, key: &str, grace: Duration) -> Result<()> {
        anew(|| facade::presence_enter(self.0, group, key, nanos(grace)))
    }

    /// Takes back that the mailbox has entered the key. If it was the last one, the key is gone at once, without grace.
    /// `NotFound` when it has not entered it, `NoProc` when it is over.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.enter_presence("room", "ann", Duration::from_secs(60))?;
    /// mailbox.leave_presence("room", "ann")?;
    /// assert!(engine.presence_keys("room")?.is_empty());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn leave_presence(self, group: &str, key: &str) -> Result<()> {
        anew(|| facade::presence_leave(self.0, group, key))
    }
}

impl Engine {
    /// The members of a group, one per join.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().open()?;
    /// mailbox.join("workers")?;
    /// assert_eq!(engine.members("workers")?, [mailbox.address()]);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn members(&self, group: &str) -> Result<Vec<Address>> {
        let found = anew(|| facade::group_members(self.raw_id(), group))?;
        Ok(members(Message::of(found).data()))
    }

    /// The keys that are present in a group of keys, each once.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.enter_presence("room", "ann", Duration::ZERO)?;
    /// assert_eq!(engine.presence_keys("room")?, ["ann"]);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn presence_keys(&self, group: &str) -> Result<Vec<String>> {
        let found = anew(|| facade::presence_keys(self.raw_id(), group))?;
        Ok(keys(Message::of(found).data()))
    }
}
