//! Buffers of large payloads, used again: a copy that one core makes and another drops would otherwise come from the
//! system's allocator and go back to it each time, with its pages.
//!
//! Guarantees: what is kept is bounded, and nobody's: a buffer is given out empty. A child of a fork begins with none.

use crate::notify::fork::PerProcess;
use crate::sync::{rank, Mutex};
use std::collections::VecDeque;

/// Bytes of the smallest and the largest buffer that is kept, and of all of them.
const SMALLEST: usize = 8192;
const LARGEST: usize = 1 << 20;
const KEPT: usize = 4 << 20;

/// The one that came last is at the back.
#[derive(Default)]
struct Spares(Mutex<Kept, { rank::LEAF }>);

#[derive(Default)]
struct Kept {
    buffers: VecDeque<Vec<u8>>,
    bytes: usize,
}

static SPARES: PerProcess<Spares> = PerProcess::new();

/// Whether a buffer is worth keeping. Under Miri and in models each is the allocator's, which sees who uses it too long.
fn is_kept(capacity: usize) -> bool {
    !cfg!(any(miri, loom)) && (SMALLEST..=LARGEST).contains(&capacity)
}

/// An empty buffer for so many bytes, and hardly more; `None` when there is no memory for it.
pub fn buffer(size: usize) -> Option<Vec<u8>> {
    let spare = if is_kept(size) { SPARES.get(Spares::default).0.lock().take(size) } else { None };
    if spare.is_some() {
        return spare;
    }
    let mut fresh = Vec::new();
    fresh.try_reserve_exact(size).ok()?;
    Some(fresh)
}

/// Keeps a buffer for later, in the place of those that have waited longest.
pub fn give_back(buffer: Vec<u8>) {
    if !is_kept(buffer.capacity()) {
        return;
    }
    let Some(spares) = SPARES.peek() else { return };
    // Freed when the lock is gone.
    let old = spares.0.lock().keep(buffer);
    drop(old);
}

impl Kept {
    /// Keeps it, and gives those that have to go for it.
    fn keep(&mut self, mut buffer: Vec<u8>) -> Vec<Vec<u8>> {
        buffer.clear();
        self.bytes += buffer.capacity();
        self.buffers.push_back(buffer);
        let mut old = Vec::new();
        while self.bytes > KEPT {
            let Some(oldest) = self.buffers.pop_front() else { break };
            self.bytes -= oldest.capacity();
            old.push(oldest);
        }
        old
    }

    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| (size..=size + size / 4).contains(&buffer.capacity());
        let at = self.buffers.iter().rposition(fits)?;
        let buffer = self.buffers.remove(at)?;
        self.bytes -= buffer.capacity();
        Some(buffer)
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_given_out_again_for_what_fits_well() {
        let mut kept = Kept::default();
        for size in [20_000, 30_000, 40_000] {
            kept.keep(vec![1; size]);
        }
        assert_eq!(kept.take(41_000), None);
        assert_eq!(kept.take(30_000 * 4 / 5 - 1), None, "too much of it would be wasted");
        let buffer = kept.take(25_000).unwrap();
        assert_eq!((buffer.len(), buffer.capacity()), (0, 30_000));
        assert_eq!((kept.take(25_000), kept.bytes), (None, 60_000));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes() {
        let mut kept = Kept::default();
        let many = KEPT / LARGEST;
        for at in 0..many {
            assert!(kept.keep(Vec::with_capacity(LARGEST - at)).is_empty());
        }
        let gone = kept.keep(Vec::with_capacity(LARGEST));
        assert_eq!(gone.iter().map(Vec::capacity).collect::<Vec<_>>(), [LARGEST]);
        assert!(kept.bytes <= KEPT && kept.buffers.len() == many);
    }

    #[test]
    fn only_some_sizes_are_kept() {
        assert!([0, SMALLEST - 1, LARGEST + 1, usize::MAX].iter().all(|size| !is_kept(*size)));
        assert!([SMALLEST, LARGEST].iter().all(|size| is_kept(*size)));
        assert_eq!(buffer(usize::MAX), None);
    }
}
