//! Watches: a snapshot, then each change. One mechanism for members of groups, keys present and interest in topics.
//!
//! Guarantees: the snapshot is taken in the atomic step in which the watch begins; from then on its mailbox gets every
//! change once, in the order in which they happened, as an edge or within the snapshot of a RESYNC (see
//! `mailbox::watching`). A watch ends with its mailbox.
//!
//! Whoever owns the state that is watched keeps the ids of its watches, and calls these functions under the lock that
//! guards the state, which ranks above slots; threads are woken when that lock is gone.

use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::mailbox::{Roused, Store};
use crate::oneshot::{Body, Making, Rare, Use};
use crate::snapshot::{Edge, Snapshot};
use crate::sync::Arc;
use std::collections::HashMap;

/// Wake-ups that are owed once the lock is gone.
pub type Wakes = Vec<Roused>;

/// What to watch, and for whom.
#[derive(Clone, Debug)]
pub struct Watching {
    pub watcher: Id,
    pub tag: u64,
    /// Kind of its edges.
    pub kind: u32,
    /// Group or pattern.
    pub subject: Arc<str>,
    /// Row of the engine.
    pub home: u32,
}

/// What can be watched by its name: a group's members, or its keys.
pub trait Watched: Default {
    /// Kind of the edges.
    const KIND: u32;
    fn watches(&mut self) -> &mut Vec<Id>;
    fn snapshot(&self) -> Snapshot;
    /// Nothing is in it, and nobody watches it.
    fn is_empty(&self) -> bool;
}

/// All of one sort, by name.
pub type Named<W> = HashMap<Arc<str>, W>;

/// Begins a watch of what has a name, and gives how that is at its beginning.
pub fn watch<W: Watched>(
    all: &mut Named<W>,
    store: &Store,
    watcher: Id,
    name: &str,
    tag: u64,
    home: u32,
) -> Result<(Id, Snapshot)> {
    let subject = all.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone());
    let id = begin(store, &Watching { watcher, tag, kind: W::KIND, subject: subject.clone(), home })?;
    let watched = all.entry(subject).or_default();
    watched.watches().push(id);
    Ok((id, watched.snapshot()))
}

/// Tells a watch of what has a name nothing any more. False when it was not told anything.
pub fn unwatch<W: Watched>(all: &mut Named<W>, name: &str, watch: Id) -> bool {
    let Some(watched) = all.get_mut(name) else { return false };
    let at = watched.watches().iter().position(|other| *other == watch);
    at.map(|at| watched.watches().remove(at));
    if watched.is_empty() {
        all.remove(name);
    }
    at.is_some()
}

/// How what has a name is now.
pub fn look<W: Watched>(all: &Named<W>, name: &str) -> Snapshot {
    all.get(name).map_or_else(|| W::default().snapshot(), W::snapshot)
}

/// Begins a watch: from here on it is told what changes.
pub fn begin(store: &Store, watching: &Watching) -> Result<Id> {
    let Watching { watcher, tag, kind, home, .. } = *watching;
    let body = Body { tag, info: [kind as u64, 0], rare: Rare::named(watching.subject.clone()), ..Body::default() };
    let (id, _) =
        store.shots.make(Making { usage: Use::Watch, owner: watcher, target: Id::NONE, holds: 1, home, body })?;
    if let Err(error) = store.link_owner(watcher, id.index(), Error::NoProc) {
        store.shots.let_go(id.index());
        return Err(error);
    }
    Ok(id)
}

/// Tells watches of one change.
pub fn tell(store: &Store, watches: &[Id], edge: &Edge<'_>, fresh: &dyn Fn() -> Snapshot, wakes: &mut Wakes) {
    wakes.extend(watches.iter().map(|watch| store.tell(*watch, edge, fresh)).filter(Option::is_some));
}

/// Wakes whom [`tell`] found. No lock may be held.
pub fn rouse(store: &Store, wakes: Wakes) {
    wakes.into_iter().for_each(|roused| store.rouse(roused));
}

/// Kind of the edges and subject of a live watch, and the row of its engine.
pub fn subject(store: &Store, watch: Id) -> Result<(u32, Arc<str>, u32)> {
    let shot = store.shots.find(watch, Kind::Watch).map_err(over)?;
    let body = shot.body();
    let subject = body.name().cloned().ok_or_else(|| over(Error::Stale))?;
    Ok((body.info[0] as u32, subject, shot.home()))
}

/// Ends a watch that whoever owns the state has let go of; with `flush` what is queued of it goes, too.
pub fn end(store: &Store, watch: Id, flush: bool) -> Result<()> {
    store.end_watch(watch, flush).map_err(over)
}

pub fn over(error: Error) -> Error {
    match error {
        Error::Stale => Error::Stale.because("the watch is over"),
        other => other,
    }
}
