//! Looking at a loop.
//!
//! Guarantees: a look is taken under the loop's lock, and changes nothing.

use super::Loop;
use crate::id::Id;

/// A loop as it was.
pub struct LoopView {
    pub members: Vec<Id>,
    pub ready: usize,
    /// Releases that wait for its thread.
    pub releases: usize,
    /// Some thread is inside `td_loop_run`.
    pub running: bool,
    /// That thread sleeps until there is something to do.
    pub parked: bool,
    /// Whose handler is being run.
    pub current: Id,
}

impl Loop {
    pub fn look(&self) -> LoopView {
        let state = self.state.lock();
        LoopView {
            members: state.members.iter().copied().collect(),
            ready: state.ready.len(),
            releases: state.releases.len(),
            running: state.runner.is_some(),
            parked: state.parked.is_some(),
            current: state.current,
        }
    }
}
