//! What the library keeps of the calling thread in one place: in a shared library, finding what is a thread's own costs
//! a call of its own, so a call into the library looks for it once.
//!
//! Guarantees: no destructor, so that it is there for as long as the thread runs, and looking at it costs no check.

use crate::sync::atomic::AtomicU64;
use std::cell::Cell;

/// Events of a ring of the flight recorder (fewer in a model).
pub const EVENTS: usize = match (cfg!(loom), cfg!(miri)) {
    (true, _) => 4,
    (_, true) => 128,
    _ => 1024,
};
/// Rows before them.
pub const HEAD: usize = 2;

/// Four words of a ring. Two rows are a cache line.
#[derive(Debug, Default)]
#[repr(align(32))]
pub struct Row(pub [AtomicU64; 4]);

/// What a ring of the flight recorder is made of.
pub type Rows = [Row; HEAD + EVENTS];

/// See the file's comment.
pub struct Here {
    /// There is a detail of the last failure.
    pub detailed: Cell<bool>,
    /// The id of the mailbox whose handler the thread runs, innermost; 0: none.
    pub handling: Cell<u64>,
    /// The thread's ring, once it has one.
    #[cfg(not(loom))]
    pub ring: Cell<Option<&'static Rows>>,
}

thread_local! {
    pub static HERE: Here = const {
        Here {
            detailed: Cell::new(false),
            handling: Cell::new(0),
            #[cfg(not(loom))]
            ring: Cell::new(None),
        }
    };
}
