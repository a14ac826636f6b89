//! Mailboxes that end with the thread that opened them.
//!
//! Guarantees: when a thread ends, however it does, the mailboxes that are bound to it and still live end with the
//! reason `runtime_exit`, with no lock held; what ended earlier, or went with its engine, is passed over.

use super::*;
use crate::message::REASON_RUNTIME_EXIT;
use std::cell::RefCell;

/// So many are kept before those that have ended are looked for.
const FEW: usize = 64;

struct Bound {
    mailboxes: Vec<Id>,
    many: usize,
}

thread_local! {
    static BOUND: RefCell<Bound> = const { RefCell::new(Bound { mailboxes: Vec::new(), many: FEW }) };
}

/// Has a mailbox end with this thread.
pub(super) fn bind(store: &Store, mailbox: Id) -> Result<()> {
    let bound = BOUND.try_with(|bound| {
        let mut bound = bound.borrow_mut();
        if bound.mailboxes.len() >= bound.many {
            bound.mailboxes.retain(|other| store.live(*other).is_ok());
            bound.many = FEW.max(2 * bound.mailboxes.len());
        }
        bound.mailboxes.push(mailbox);
    });
    bound.map_err(|_| Error::Closed.because("this thread is ending; a mailbox cannot be bound to it any more"))
}

impl Drop for Bound {
    fn drop(&mut self) {
        for mailbox in std::mem::take(&mut self.mailboxes) {
            // A panic must not leave the end of a thread.
            let _ = std::panic::catch_unwind(|| life::end(world(), mailbox, REASON_RUNTIME_EXIT, &[]));
        }
    }
}
