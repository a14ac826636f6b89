//! Forks: state that each process makes for itself.
//!
//! Guarantees: [`PerProcess::get`] gives what this process made, and in the child of a fork, also of a nested one,
//! makes it anew on first use. Noticing costs one load from a page that the kernel wipes on fork (where it cannot, a
//! fork handler does); nothing that another thread of the parent may have held at the fork is waited for. What the
//! parent made stays in the child's memory, leaked and untouched.
//!
//! `parking_lot` keeps one table for the threads that wait in any of its locks. A thread of the parent may hold a part
//! of it at the fork, and then holds it in the child for ever; only a lock that is contended looks there, so a child of
//! one thread never does.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};

const EMPTY: u32 = 0;
const MAKING: u32 = 1;

/// What lies in a page of its own; all zeros is its beginning.
struct Wiped<T> {
    content: AtomicPtr<T>,
    state: AtomicU32,
}

/// One `T` for each process.
pub struct PerProcess<T: Sync + 'static> {
    page: AtomicPtr<Wiped<T>>,
}

impl<T: Sync + Send + 'static> PerProcess<T> {
    #[allow(clippy::new_without_default)] // for statics
    pub const fn new() -> Self {
        PerProcess { page: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// What this process has made; `make` makes it on first use. Of threads that come together one makes it, and the
    /// others wait for that one.
    #[inline]
    pub fn get(&self, make: impl FnOnce() -> T) -> &'static T {
        match self.peek() {
            Some(content) => content,
            None => self.make(make),
        }
    }

    /// What this process has made, if it has. May be called in a signal handler.
    #[inline]
    pub fn peek(&self) -> Option<&'static T> {
        let page = self.page.load(Acquire);
        if page.is_null() {
            return None;
        }
        // SAFETY: a page is set once and never unmapped; zeroed or written, its words are valid atomics.
        let content = unsafe { (*page).content.load(Acquire) };
        // SAFETY: null, or a leaked box that only shared references are made of.
        unsafe { content.as_ref() }
    }

    #[cold]
    fn make(&self, make: impl FnOnce() -> T) -> &'static T {
        let page = self.page();
        // SAFETY: as in `peek`.
        let page = unsafe { &*page };
        loop {
            if let Some(content) = self.peek() {
                return content;
            }
            // The state is wiped with the rest, so a thread of the parent that was here at the fork holds nobody up.
            if page.state.compare_exchange(EMPTY, MAKING, Acquire, Relaxed).is_ok() {
                let content: &'static T = Box::leak(Box::new(make()));
                page.content.store((content as *const T).cast_mut(), Release);
                return content;
            }
            std::thread::yield_now();
        }
    }

    fn page(&self) -> *mut Wiped<T> {
        let known = self.page.load(Acquire);
        if !known.is_null() {
            return known;
        }
        const { assert!(size_of::<Wiped<T>>() <= size_of::<Words>()) };
        let fresh = wiped_words().cast::<Wiped<T>>();
        match self.page.compare_exchange(std::ptr::null_mut(), fresh, AcqRel, Acquire) {
            Ok(_) => fresh,
            // Another thread was first. This page is lost, once.
            Err(first) => first,
        }
    }
}

/// What [`Wiped`] needs, whatever its content.
type Words = [u64; 2];

/// Zeroed memory that is zero again in the child of a fork. It is never given back.
fn wiped_words() -> *mut Words {
    if cfg!(miri) {
        // Under Miri nothing forks.
        return Box::leak(Box::new([0; 2]));
    }
    // SAFETY: a fresh private mapping; the arguments of madvise are those of that mapping.
    unsafe {
        let size = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return wiped_by_handler();
        }
        #[cfg(target_os = "linux")]
        if libc::madvise(page, size, libc::MADV_WIPEONFORK) == 0 {
            return page.cast();
        }
        libc::munmap(page, size);
    }
    wiped_by_handler()
}

/// Places at most that the fork handler wipes: more than there are statics of this type.
const PLACES: usize = 16;
static WIPED: [AtomicPtr<Words>; PLACES] = [const { AtomicPtr::new(std::ptr::null_mut()) }; PLACES];

fn wiped_by_handler() -> *mut Words {
    extern "C" fn wipe() {
        for words in &WIPED {
            let words = words.load(Acquire);
            if !words.is_null() {
                // SAFETY: leaked words; the child of a fork has one thread, which is here.
                unsafe { words.write([0; 2]) };
            }
        }
    }
    static REGISTERED: AtomicU32 = AtomicU32::new(0);
    let words: *mut Words = Box::leak(Box::new([0; 2]));
    let vacant =
        |place: &&AtomicPtr<Words>| place.compare_exchange(std::ptr::null_mut(), words, AcqRel, Acquire).is_ok();
    assert!(WIPED.iter().find(vacant).is_some(), "there are more words to wipe than places");
    if REGISTERED.swap(1, AcqRel) == 0 {
        // SAFETY: the library is never unloaded, so the function stays where it is.
        unsafe { libc::pthread_atfork(None, None, Some(wipe)) };
    }
    words
}

/// A number that is another one in the child of a fork. What began in one process and finds itself in another has to
/// leave without touching anything.
#[inline]
pub fn generation() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static GENERATION: PerProcess<u32> = PerProcess::new();
    *GENERATION.get(|| COUNT.fetch_add(1, AcqRel) + 1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Parker;
    use super::*;
    use crate::sync::Arc;

    /// Runs `body` in a forked process; true when it says so.
    fn in_child(body: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child calls nothing but the body and `_exit`.
        unsafe {
            match libc::fork() {
                0 => {
                    let held = body();
                    libc::_exit(if held { 7 } else { 1 });
                }
                child => {
                    let mut status = 0;
                    libc::waitpid(child, &mut status, 0);
                    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7
                }
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri cannot fork")]
    fn a_child_sleeps_in_a_place_of_its_own() {
        // A thread of the parent may be about to wake this one, and hold what guards its place.
        let parents = Parker::current();
        assert!(Arc::ptr_eq(&parents, &Parker::current()));
        assert!(in_child(
            || !Arc::ptr_eq(&parents, &Parker::current()) && Arc::ptr_eq(&Parker::current(), &Parker::current())
        ));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri cannot fork")]
    fn each_process_makes_its_own() {
        static MADE: PerProcess<u32> = PerProcess::new();
        assert_eq!(MADE.peek(), None);
        assert_eq!(*MADE.get(|| 1), 1);
        assert_eq!(*MADE.get(|| 2), 1);
        assert!(in_child(|| MADE.peek().is_none() && *MADE.get(|| 3) == 3 && *MADE.get(|| 4) == 3));
        assert!(in_child(|| MADE.peek().is_none() && in_child(|| MADE.peek().is_none() && *MADE.get(|| 5) == 5)));
        assert_eq!(MADE.peek(), Some(&1));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri cannot fork")]
    fn the_handler_wipes_where_the_kernel_does_not() {
        let words = wiped_by_handler();
        // SAFETY: leaked words that only this test knows; volatile, as the fork is nothing that the compiler sees.
        let (write, read) = unsafe { (|to| words.write_volatile(to), || words.read_volatile()) };
        write([1, 2]);
        assert!(in_child(|| read() == [0, 0]));
        assert_eq!(read(), [1, 2]);
    }

    #[test]
    fn threads_that_come_together_make_one() {
        static MADE: PerProcess<usize> = PerProcess::new();
        let made: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|at| scope.spawn(move || MADE.get(|| at) as *const usize as usize)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|address| *address == made[0]));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri cannot fork")]
    fn the_generation_is_another_in_the_child() {
        let mine = generation();
        assert_eq!(generation(), mine);
        assert!(in_child(|| generation() != mine && generation() == generation()));
    }
}
