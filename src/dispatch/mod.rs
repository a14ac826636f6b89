//! Dispatch: who runs the handlers of mailboxes, the host's threads in loops or the engine's own as workers.
//!
//! Guarantees: a handler gets one batch at a time, and never runs under a lock or twice at once; what it does not walk
//! goes back. A handler that forks returns in the child to a caller that leaves without touching anything.

mod looped;
mod run_queue;
mod workers;

pub use looped::{Loop, NotMine, Run, Time};
pub use workers::{Away, Workers};

use crate::error::{Error, Result};
use crate::here::HERE;
use crate::id::Id;
use crate::mailbox::Store;
use crate::message::Batch;
use crate::notify::fork::generation;
use crate::recorder::{record_often, Event};
use crate::sync::assert_unlocked;

/// What came of a turn.
struct Turn {
    /// Whether the handler was given a batch. `TD_EFORKED` in the child of a fork.
    given: Result<bool>,
    /// The mailbox has more to handle.
    more: bool,
}

/// Gives one batch to the mailbox's handler, if there is one and it has something.
fn handle(store: &Store, mailbox: Id) -> Turn {
    let mut batch = Batch::NONE;
    let handler = match store.batch_for_handler(mailbox, &mut batch) {
        Ok(Some(handler)) => handler,
        nothing => return Turn { given: nothing.map(|_| false), more: store.settle(mailbox) },
    };
    let owner = Id(batch.owner);
    let process = generation();
    record_often(Event::Handle, mailbox, Id::NONE, batch.count as i64);
    assert_unlocked("a handler");
    if let Some(call) = handler.call {
        let outer = HERE.with(|here| here.handling.replace(mailbox.0));
        call(&mut batch, handler.user.get());
        HERE.with(|here| here.handling.set(outer));
    }
    if generation() != process {
        // Its drop is the parent's to call.
        std::mem::forget(handler);
        return Turn { given: Err(forked()), more: false };
    }
    record_often(Event::Handled, mailbox, Id::NONE, 0);
    // The host may have written over its view of the batch; only where it stopped is taken from there.
    match store.end_turn(mailbox, owner, batch.cursor) {
        Ok(more) => Turn { given: Ok(true), more },
        Err(error) => Turn { given: Err(error), more: store.settle(mailbox) },
    }
}

fn forked() -> Error {
    Error::Forked.because("what runs this handler belongs to the process that this one was forked from")
}
