//! Links: two mailboxes that end together, or hear of each other's end.
//!
//! Guarantees: a link is at both ends or at none once making it has returned; two mailboxes have one link at most; a
//! link that was taken back has no effect any more. Making one never holds two slots: its two records are put where
//! they belong first at the one end, then at the other, and taken back at the first when the second has ended.
//! Everyone who makes or ends links of an engine passes one gate, so that they never see each other half way; the end
//! of a mailbox does not pass it.

use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::{Pair, Store};
use crate::message::REASON_NOPROC;
use crate::oneshot::{Body, Making, State, Use};
use crate::sync::{rank, Mutex};

/// The gate of one engine.
#[derive(Debug, Default)]
pub struct Gate(Mutex<(), { rank::LINKS }>);

/// A record that `owner` will own and that will watch `target`.
fn make(store: &Store, owner: Id, target: Id) -> Result<Id> {
    let body = Body { from: target, ..Body::default() };
    let making = Making { usage: Use::Link, owner, target, holds: 2, home: 0, body };
    Ok(store.shots.make(making)?.0)
}

/// Lets go of a record that is in no place yet.
fn unmake(store: &Store, record: Id) {
    store.shots.let_go(record.index());
    store.shots.let_go(record.index());
}

/// Links two mailboxes. To one that is over: an EXIT, or `TD_ENOPROC` when `mailbox` does not trap.
pub fn link(store: &Store, gate: &Gate, mailbox: Id, other: Id) -> Result<()> {
    let engine = store.live(mailbox)?.engine();
    match store.live(other) {
        Ok(slot) if slot.engine() != engine => {
            return Err(Error::BadId.because("a mailbox cannot be linked to one of another engine"))
        }
        Ok(_) if mailbox == other => return Ok(()),
        Ok(_) if join(store, gate, mailbox, other)? => return Ok(()),
        Ok(_) | Err(Error::NoProc) => {}
        Err(error) => return Err(error),
    }
    nobody(store, mailbox, other)
}

/// Makes the link unless there is one. False when `other` is over.
fn join(store: &Store, gate: &Gate, mailbox: Id, other: Id) -> Result<bool> {
    let _gate = gate.0.lock();
    if store.live(other).is_err() {
        return Ok(false);
    }
    if store.is_linked(mailbox, other)? {
        return Ok(true);
    }
    let own = make(store, mailbox, other)?;
    let others = make(store, other, mailbox).inspect_err(|_| unmake(store, own))?;
    if let Err(error) = store.tie(mailbox, other, Pair { own, other: others }) {
        unmake(store, own);
        unmake(store, others);
        return Err(error);
    }
    if store.tie(other, mailbox, Pair { own: others, other: own }).is_ok() {
        return Ok(true);
    }
    // What is left are the places that the records were to have at `other`.
    let _ = store.untie(mailbox, other);
    store.shots.let_go(own.index());
    if store.shots.at(others.index()).shift(others.life(), State::Armed, State::Cancelled) {
        store.shots.let_go(others.index());
    }
    Ok(false)
}

/// Tells a mailbox that traps exits that there is nobody to link to.
fn nobody(store: &Store, mailbox: Id, other: Id) -> Result<()> {
    if !store.traps(mailbox)? {
        let detail = format!("mailbox {:#018x} is over, and the one to be linked to it does not trap exits", other.0);
        return Err(Error::NoProc.because(detail));
    }
    let record = make(store, mailbox, other)?;
    if let Err(error) = store.link_owner(mailbox, record.index(), Error::NoProc) {
        unmake(store, record);
        return Err(error);
    }
    store.exit(record.index(), record.life(), REASON_NOPROC, &None, true);
    store.shots.let_go(record.index());
    Ok(())
}

/// Takes a link back; nothing when there is none.
pub fn unlink(store: &Store, gate: &Gate, mailbox: Id, other: Id) -> Result<()> {
    store.live(mailbox)?;
    match store.live(other) {
        Ok(_) | Err(Error::NoProc) => {}
        Err(error) => return Err(error),
    }
    let _gate = gate.0.lock();
    let result = store.untie(mailbox, other);
    let _ = store.untie(other, mailbox);
    result
}

#[cfg(all(test, not(loom)))]
mod tests;
