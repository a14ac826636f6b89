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
use crate::id::Id;
use crate::mailbox::Store;
use crate::message::Batch;
use crate::notify::fork::generation;
use crate::recorder::{record_often, Event};
use crate::sync::assert_unlocked;

/// Gives one batch to the mailbox's handler, if there is one and it has something. `TD_EFORKED` in the child of a fork.
fn handle(store: &Store, mailbox: Id) -> Result<bool> {
    let Some((mut batch, handler)) = store.batch_for_handler(mailbox)? else { return Ok(false) };
    let given = batch;
    let process = generation();
    record_often(Event::Handle, mailbox, Id::NONE, batch.count as i64);
    assert_unlocked("a handler");
    if let Some(call) = handler.call {
        call(&mut batch, handler.user.get());
    }
    if generation() != process {
        // Its drop is the parent's to call.
        std::mem::forget(handler);
        return Err(forked());
    }
    record_often(Event::Handled, mailbox, Id::NONE, 0);
    // The host may have written over its view of the batch; only where it stopped is taken from there.
    batch = Batch { cursor: batch.cursor, ..given };
    store.batch_end(&mut batch).map(|()| true)
}

fn forked() -> Error {
    Error::Forked.because("what runs this handler belongs to the process that this one was forked from")
}
