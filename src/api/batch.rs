//! Batches: many messages at once.
//!
//! Guarantees: a message of a batch cannot outlive it; what was not walked goes back to the front of its queue.

use super::raw::Held;
use super::{anew, MessageRef};
use crate::engine as facade;
use crate::message as m;

fn next(batch: &mut m::Batch) -> Option<m::Message> {
    let mut next = None;
    let _ = anew(|| facade::batch_step(batch, |message| next = Some(message)));
    next
}

/// Messages that were received together; what is not walked when it is dropped goes back to the queue.
///
/// ```
/// let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().open()?;
/// for tag in 1..=3 {
///     mailbox.send(tag, b"")?;
/// }
/// let mut batch = mailbox.recv_batch(None)?;
/// assert_eq!(batch.next().unwrap().tag(), 1);
/// drop(batch);
/// assert_eq!(mailbox.recv()?.tag(), 2);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
pub struct Batch(Held<m::Batch>);

impl Batch {
    pub(super) fn of(batch: m::Batch) -> Batch {
        Batch(Held(batch))
    }

    /// The next message. It passes over what was cancelled meanwhile, and stops when the mailbox has ended.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(1, b"one")?;
    /// let mut batch = mailbox.recv_batch(None)?;
    /// while let Some(message) = batch.next() {
    ///     assert_eq!(message.data(), b"one");
    /// }
    /// # Ok::<(), tidings::Error>(())
    /// ```
    #[allow(clippy::should_implement_trait)] // a message borrows the batch, which an Iterator cannot say
    pub fn next(&mut self) -> Option<MessageRef<'_>> {
        next(&mut self.0 .0).map(MessageRef::of)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let _ = facade::batch_release(&mut self.0 .0);
    }
}

/// The messages that a handler is given; what it does not walk goes back to the queue.
///
/// ```
/// use std::time::Duration;
///
/// let engine = tidings::Engine::new()?;
/// let run = engine.open_loop()?;
/// let mailbox = engine.mailbox().handled_in(&run, |_, messages| {
///     while let Some(message) = messages.next() {
///         println!("{}", message.text());
///     }
/// })?;
/// mailbox.send(0, b"hello")?;
/// assert_eq!(run.run(Some(Duration::ZERO))?, 1);
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Debug)]
pub struct Messages<'a>(&'a mut m::Batch);

impl<'a> Messages<'a> {
    pub(super) fn of(batch: &'a mut m::Batch) -> Messages<'a> {
        Messages(batch)
    }

    /// The next message, as [`Batch::next`].
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let run = engine.open_loop()?;
    /// let one_at_a_time = |_: &tidings::Mailbox, messages: &mut tidings::Messages<'_>| {
    ///     let message = messages.next().unwrap();
    ///     println!("{message:?}; the rest comes again");
    /// };
    /// # let mailbox = engine.mailbox().handled_in(&run, one_at_a_time)?;
    /// # mailbox.send(0, b"")?;
    /// # run.run(None)?;
    /// # Ok::<(), tidings::Error>(())
    /// ```
    #[allow(clippy::should_implement_trait)] // as above
    pub fn next(&mut self) -> Option<MessageRef<'_>> {
        next(self.0).map(MessageRef::of)
    }
}
