//! The log sink: one per process, silent until the host sets one.
//!
//! Guarantees: the sink is called with no lock of the engine held, and its `drop` runs once, after its last call. The
//! child of a fork begins in silence, and neither calls nor drops the sink of its parent.

use crate::notify::fork::PerProcess;
use crate::owed::Callback;
use crate::sync::{assert_unlocked, rank, Arc, Mutex};
use std::ffi::c_void;

/// Levels, as in the C header.
pub const ERROR: u32 = 1;
pub const WARN: u32 = 2;
pub const INFO: u32 = 3;

/// `fn(level, text, size, user)`.
pub type LogFn = extern "C" fn(u32, *const std::ffi::c_char, usize, *mut c_void);

struct Sink {
    level: u32,
    callback: Option<Arc<Callback<LogFn>>>,
}

fn sink() -> &'static Mutex<Sink, { rank::LEAF }> {
    static SINK: PerProcess<Mutex<Sink, { rank::LEAF }>> = PerProcess::new();
    SINK.get(|| Mutex::new(Sink { level: 0, callback: None }))
}

/// Sets or, with `None`, removes the sink. The old one's `drop` runs before this returns unless it is being called.
pub fn set(level: u32, callback: Option<Callback<LogFn>>) {
    let new = Sink { level, callback: callback.map(Arc::new) };
    let old = std::mem::replace(&mut *sink().lock(), new);
    drop(old);
}

/// Writes one line; `text` is only made when somebody listens.
pub fn write(level: u32, text: impl FnOnce() -> String) {
    let callback = {
        let sink = sink().lock();
        if level > sink.level {
            return;
        }
        sink.callback.clone()
    };
    if let Some(callback) = callback {
        assert_unlocked("a log sink");
        let text = text();
        (callback.call)(level, text.as_ptr().cast(), text.len(), callback.user.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    extern "C" fn count(level: u32, text: *const std::ffi::c_char, size: usize, user: *mut c_void) {
        assert!(!text.is_null());
        // Other tests of this process may have something to say.
        if (level, size) != (WARN, 5) {
            return;
        }
        counter(user).fetch_add(1, Ordering::Relaxed);
    }
    extern "C" fn dropped(user: *mut c_void) {
        counter(user).fetch_add(100, Ordering::Relaxed);
    }
    fn counter(_: *mut c_void) -> &'static AtomicU32 {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        &COUNT
    }

    #[test]
    fn a_sink_hears_its_level_and_is_dropped_once() {
        let count_of = counter(std::ptr::null_mut());
        set(WARN, Some(Callback::new(count as LogFn, std::ptr::null_mut(), Some(dropped))));
        write(WARN, || "hello".into());
        write(INFO, || unreachable!("nobody listens at this level"));
        assert_eq!(count_of.load(Ordering::Relaxed), 1);
        set(0, None);
        assert_eq!(count_of.load(Ordering::Relaxed), 101);
        write(ERROR, || unreachable!("nobody listens"));
    }
}
