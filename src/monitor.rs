//! Monitors: being told once when a mailbox ends.
//!
//! Guarantees: each monitor fires exactly once, with the target's reason, or at once with `noproc` when nobody was
//! there, unless it is taken back or its watcher ends first, and then nothing is left at the target. Making one never
//! holds two slots: it is linked at the watcher, then at the target, and undone there if it was cancelled meanwhile.

use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::mailbox::{Cancelled, Store};
use crate::message::{Block, REASON_NOPROC};
use crate::oneshot::{Body, Making, Rare, Use};
use crate::sync::Arc;

/// What `demonitor` found: the numbers of the C header.
pub const WAS_ARMED: u32 = 1;
pub const WAS_FLUSHED: u32 = 2;
pub const WAS_DELIVERED: u32 = 3;

/// Makes a record that `watcher` owns, linked there and not yet at its target.
fn make(store: &Store, watcher: Id, target: Id, tag: u64, name: Option<Arc<str>>) -> Result<Id> {
    let body = Body { tag, from: target, rare: name.and_then(Rare::named), ..Body::default() };
    let (id, _) = store.shots.make(Making { usage: Use::Monitor, owner: watcher, target, holds: 2, home: 0, body })?;
    if let Err(error) = store.link_owner(watcher, id.index(), Error::NoProc) {
        store.shots.let_go(id.index());
        store.shots.let_go(id.index());
        return Err(error);
    }
    Ok(id)
}

/// Fires a monitor whose target was not there.
pub fn nobody(store: &Store, id: Id) {
    store.fire(id.index(), id.life(), |body| body.status = REASON_NOPROC);
    store.shots.let_go(id.index());
}

/// Watches a mailbox.
pub fn monitor(store: &Store, watcher: Id, target: Id, tag: u64) -> Result<Id> {
    watch(store, watcher, target, tag, false)
}

/// Watches a mailbox; the DOWN will say what became of the watcher's messages.
pub fn monitor_receipt(store: &Store, watcher: Id, target: Id, tag: u64) -> Result<Id> {
    watch(store, watcher, target, tag, true)
}

fn watch(store: &Store, watcher: Id, target: Id, tag: u64, receipt: bool) -> Result<Id> {
    let engine = store.live(watcher)?.engine();
    match store.live(target) {
        Ok(slot) if slot.engine() != engine => {
            return Err(Error::BadId.because("the target is a mailbox of another engine than the watcher"))
        }
        Ok(_) | Err(Error::NoProc) => {}
        Err(error) => return Err(error),
    }
    let id = make(store, watcher, target, tag, None)?;
    let there = if receipt {
        store.link_target_with_receipt(target, id.index(), id.life(), watcher)?
    } else {
        store.link_target(target, id.index(), id.life())?
    };
    if !there {
        nobody(store, id);
    }
    Ok(id)
}

/// Watches the holder of a name, while the caller keeps the name from being rebound. Without one, or when it has
/// ended, the caller lets go of that and then calls [`nobody`].
pub fn monitor_holder(store: &Store, watcher: Id, name: &str, holder: Option<Id>, tag: u64) -> Result<(Id, bool)> {
    let target = holder.unwrap_or(Id::NONE);
    let id = make(store, watcher, target, tag, Some(name.into()))?;
    Ok((id, !target.is_none() && store.link_target(target, id.index(), id.life())?))
}

/// Takes a monitor back. An id of the past is no error: it was delivered.
pub fn demonitor(store: &Store, id: Id, flush: bool) -> Result<u32> {
    match store.shots.find(id, Kind::Monitor) {
        Ok(_) => {}
        Err(Error::Stale) => return Ok(WAS_DELIVERED),
        Err(error) => return Err(error),
    }
    Ok(match store.cancel(id.index(), id.life(), flush) {
        Cancelled::Armed => {
            store.unwatch(id.index(), id.life());
            WAS_ARMED
        }
        Cancelled::Flushed => WAS_FLUSHED,
        Cancelled::Queued | Cancelled::Over => WAS_DELIVERED,
    })
}

/// Tells one watcher of a mailbox that ended.
pub fn down(store: &Store, index: u32, life: u32, reason: i32, data: &Option<Arc<Block>>) {
    store.fire(index, life, |body| (body.status, body.data) = (reason, data.clone()));
}
