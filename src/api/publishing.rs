//! Topics: subscribing, publishing, wills.
//!
//! Guarantees: a publish never waits; its receipt says what became of each copy.

use super::raw::Loan;
use super::{anew, Engine, Mailbox, Policy, Subscription};
use crate::engine as facade;
use crate::error::{Error, Result};
use crate::id::Id;

/// What became of a publish, in copies.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// let receipt = engine.publish("news", 0, b"nobody listens")?;
/// assert_eq!((receipt.matched, receipt.queued, receipt.dropped), (0, 0, 0));
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Subscriptions whose pattern fits, for each message.
    pub matched: u64,
    /// Copies that are in a queue.
    pub queued: u64,
    /// Copies that a bound kept out.
    pub dropped: u64,
}

impl Receipt {
    fn of(raw: crate::message::Receipt) -> Receipt {
        let crate::message::Receipt { matched, queued, dropped } = raw;
        Receipt { matched, queued, dropped }
    }
}

/// In which engine, and in whose name.
struct Publisher {
    engine: Id,
    from: Id,
}

impl Publisher {
    fn nobody(engine: &Engine) -> Publisher {
        Publisher { engine: engine.raw_id(), from: Id::NONE }
    }

    fn of(mailbox: &Mailbox) -> Publisher {
        Publisher { engine: mailbox.engine(), from: mailbox.address().0 }
    }

    fn publish(&self, topic: &str, tag: u64, data: &[u8], retain: bool) -> Result<Receipt> {
        let options = facade::PublishOptions { retain, release: None };
        anew(|| facade::publish(self.engine, self.from, topic, tag, data, options)).map(Receipt::of)
    }

    fn publish_many(&self, topic: &str, items: &[(u64, &[u8])]) -> Result<Receipt> {
        anew(|| facade::publish_many(self.engine, self.from, topic, items)).map(Receipt::of)
    }

    fn publish_owned<B>(&self, topic: &str, tag: u64, payload: B) -> Result<Receipt, (Error, B)>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        let loan = Loan::new(payload);
        let (data, release) = loan.parts();
        let options = facade::PublishOptions { retain: false, release: Some(release) };
        let receipt = anew(|| facade::publish(self.engine, self.from, topic, tag, data, options));
        receipt.map(Receipt::of).map_err(|error| (error, loan.take_back()))
    }
}

impl Engine {
    /// Publishes to every subscription whose pattern fits, from nobody. A slow subscriber never slows another.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().open()?;
    /// let _subscription = mailbox.subscribe("weather.*")?;
    /// assert_eq!(engine.publish("weather.rome", 0, b"sunny")?.queued, 1);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn publish(&self, topic: &str, tag: u64, data: &[u8]) -> Result<Receipt> {
        Publisher::nobody(self).publish(topic, tag, data, false)
    }

    /// Publishes, and keeps the value, instead of the topic's last one, for those who subscribe later. An empty payload
    /// keeps none.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// engine.publish_retained("weather.rome", 0, b"sunny")?;
    /// let _subscription = mailbox.subscribe("weather.*")?;
    /// assert_eq!(mailbox.recv()?.text(), "sunny");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn publish_retained(&self, topic: &str, tag: u64, data: &[u8]) -> Result<Receipt> {
        Publisher::nobody(self).publish(topic, tag, data, true)
    }

    /// Publishes messages of tag and data under one topic, in order, visiting each subscription once.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let _subscription = mailbox.subscribe("news")?;
    /// assert_eq!(engine.publish_many("news", &[(1, b"one"), (2, b"two")])?.queued, 2);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn publish_many(&self, topic: &str, items: &[(u64, &[u8])]) -> Result<Receipt> {
        Publisher::nobody(self).publish_many(topic, items)
    }

    /// Publishes a payload without copying it, from nobody: it is dropped, on any thread, when the last subscriber is done
    /// with it. When the publish fails it comes back.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _subscriptions = (ann.subscribe("frames")?, bob.subscribe("frames")?);
    /// engine.publish_owned("frames", 0, vec![1u8; 1_000_000]).map_err(|(error, _frame)| error)?;
    /// assert_eq!(ann.recv()?.data().as_ptr(), bob.recv()?.data().as_ptr());
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn publish_owned<B>(&self, topic: &str, tag: u64, payload: B) -> Result<Receipt, (Error, B)>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        Publisher::nobody(self).publish_owned(topic, tag, payload)
    }
}

impl Mailbox {
    /// Delivers what is published from now on under a topic that fits the pattern: tokens divided by `.`, where `*` is
    /// exactly one token and `>` one or more at the end. Retained values that fit come first.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let _all = mailbox.subscribe("weather.>")?;
    /// engine.publish("weather.rome.today", 0, b"sunny")?;
    /// assert_eq!(mailbox.recv()?.topic(), "weather.rome.today");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn subscribe(&self, pattern: &str) -> Result<Subscription> {
        self.subscribe_bounded(pattern, Policy::Fail, 0)
    }

    /// As [`subscribe`](Self::subscribe), with a bound and policy of the subscription's own: not [`Policy::Block`].
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// let _latest = mailbox.subscribe_bounded("weather.>", tidings::Policy::DropOld, 1)?;
    /// engine.publish("weather.rome", 0, b"sunny")?;
    /// engine.publish("weather.rome", 0, b"rain")?;
    /// assert_eq!(mailbox.recv()?.text(), "rain");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn subscribe_bounded(&self, pattern: &str, policy: Policy, max_messages: u64) -> Result<Subscription> {
        anew(|| facade::subscribe(self.address().0, pattern, policy as u32, max_messages, None)).map(Subscription::of)
    }

    /// Subscribes as one of a queue group: each message goes to one of its subscriptions, in turn.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _one = ann.subscribe_in_group("jobs", "workers")?;
    /// let _other = bob.subscribe_in_group("jobs", "workers")?;
    /// engine.publish("jobs", 1, b"")?;
    /// engine.publish("jobs", 2, b"")?;
    /// assert_eq!(ann.recv()?.tag() + bob.recv()?.tag(), 3);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn subscribe_in_group(&self, pattern: &str, queue_group: &str) -> Result<Subscription> {
        let policy = Policy::Fail as u32;
        anew(|| facade::subscribe(self.address().0, pattern, policy, 0, Some(queue_group))).map(Subscription::of)
    }

    /// As [`Engine::publish`](crate::Engine::publish), in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _subscription = bob.subscribe("news")?;
    /// ann.publish("news", 0, b"none")?;
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn publish(&self, topic: &str, tag: u64, data: &[u8]) -> Result<Receipt> {
        Publisher::of(self).publish(topic, tag, data, false)
    }

    /// As [`Engine::publish_retained`](crate::Engine::publish_retained), in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.publish_retained("news", 0, b"none")?;
    /// let _subscription = bob.subscribe("news")?;
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn publish_retained(&self, topic: &str, tag: u64, data: &[u8]) -> Result<Receipt> {
        Publisher::of(self).publish(topic, tag, data, true)
    }

    /// As [`Engine::publish_many`](crate::Engine::publish_many), in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _subscription = bob.subscribe("news")?;
    /// ann.publish_many("news", &[(1, b"one"), (2, b"two")])?;
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn publish_many(&self, topic: &str, items: &[(u64, &[u8])]) -> Result<Receipt> {
        Publisher::of(self).publish_many(topic, items)
    }

    /// Says what is published, in this mailbox's name, when it ends, before anyone gets its DOWN; not when its engine is
    /// closed. It replaces what was set before. `NoProc` when the mailbox is over.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _subscription = bob.subscribe("wills")?;
    /// ann.set_will("wills", 0, b"all to bob")?;
    /// drop(ann);
    /// assert_eq!(bob.recv()?.text(), "all to bob");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn set_will(&self, topic: &str, tag: u64, data: &[u8]) -> Result<()> {
        anew(|| facade::will_set(self.address().0, topic, tag, data, false))
    }

    /// As [`set_will`](Self::set_will), and the value is kept then, as that of
    /// [`publish_retained`](crate::Engine::publish_retained).
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// ann.set_will_retained("wills", 0, b"all to bob")?;
    /// drop(ann);
    /// let _subscription = bob.subscribe("wills")?;
    /// assert_eq!(bob.recv()?.text(), "all to bob");
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn set_will_retained(&self, topic: &str, tag: u64, data: &[u8]) -> Result<()> {
        anew(|| facade::will_set(self.address().0, topic, tag, data, true))
    }

    /// Takes the will back: nothing is published when the mailbox ends. `NotFound` when there is none.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.set_will("wills", 0, b"")?;
    /// mailbox.clear_will()?;
    /// assert_eq!(mailbox.clear_will(), Err(tidings::Error::NotFound));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn clear_will(&self) -> Result<()> {
        anew(|| facade::will_clear(self.address().0))
    }

    /// As [`Engine::publish_owned`](crate::Engine::publish_owned), in this mailbox's name.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
    /// let _subscription = bob.subscribe("frames")?;
    /// ann.publish_owned("frames", 0, vec![1u8; 1_000_000]).map_err(|(error, _frame)| error)?;
    /// assert_eq!(bob.recv()?.from(), Some(ann.address()));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    pub fn publish_owned<B>(&self, topic: &str, tag: u64, payload: B) -> Result<Receipt, (Error, B)>
    where
        B: AsRef<[u8]> + Send + 'static,
    {
        Publisher::of(self).publish_owned(topic, tag, payload)
    }
}
