//! Structs of the header that begin with their own size: options to read, counters to fill in.
//!
//! Guarantees: a program compiled against an older or a newer header than the library's gets what both know. A field
//! that the caller does not know has its default; one that the library does not know must be zero, as an option that
//! were passed over in silence would be a lie; in counters it becomes zero.

use super::args::{check_pointer, invalid, name_of};
use crate::error::Result;

/// A struct larger than this is taken for garbage in `size`, so that no wild number of bytes is looked at.
const LARGEST: usize = 1024;

/// A struct of the header that begins with its own size and grows only at its end.
///
/// # Safety
/// `repr(C)`, its first field is `size: usize`, and all bytes zero are a value of it.
pub unsafe trait Versioned: Copy {
    /// Its size in the first version of the library.
    const FIRST: usize;
}

fn check_size<T: Versioned>(what: &str, size: usize) -> Result<()> {
    if size < T::FIRST || size > LARGEST {
        let name = name_of::<T>();
        return invalid(format!("{what}->size is {size}; set it to sizeof({name}), which is {} here", size_of::<T>()));
    }
    Ok(())
}

/// Options of the caller's, by value: what an older caller does not know is zero; what a newer caller knows and this
/// library does not must be zero. NULL gives all zeros.
///
/// # Safety
/// `pointer` points to a `T` whose first `size` bytes are initialised, or is NULL.
pub unsafe fn options<T: Versioned>(what: &str, pointer: *const T) -> Result<T> {
    // SAFETY: the caller's promise, passed on.
    let (options, sound) = unsafe { read_options(what, pointer) };
    sound.map(|()| options)
}

/// As [`options`], and gives what could be read also when something is wrong with it: a drop function in it must run.
///
/// # Safety
/// As for [`options`].
pub unsafe fn read_options<T: Versioned>(what: &str, pointer: *const T) -> (T, Result<()>) {
    // SAFETY: all zeros are a value of every such struct.
    let mut options = unsafe { std::mem::zeroed::<T>() };
    if pointer.is_null() {
        return (options, Ok(()));
    }
    if let Err(error) = check_pointer(what, pointer) {
        return (options, Err(error));
    }
    // SAFETY: aligned, and the struct begins with this field.
    let size = unsafe { pointer.cast::<usize>().read() };
    if let Err(error) = check_size::<T>(what, size) {
        return (options, Err(error));
    }
    // SAFETY: the caller says that `size` bytes are there, and no more than a whole struct are copied.
    unsafe {
        let known = size.min(size_of::<T>());
        std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&mut options as *mut T).cast::<u8>(), known);
    }
    for at in size_of::<T>()..size {
        // SAFETY: within the `size` bytes that the caller says are there.
        if unsafe { pointer.cast::<u8>().add(at).read() } != 0 {
            let (name, known) = (name_of::<T>(), size_of::<T>());
            let detail = format!(
                "{what} is a {name} of {size} bytes whose byte {at} is not zero: it sets an option that this library, \
                 which knows {known} bytes of it, does not have"
            );
            return (options, invalid(detail));
        }
    }
    (options, Ok(()))
}

/// Counters of the caller's: as much is written as the caller's struct holds, and what this library does not know
/// becomes zero. `size` keeps the caller's value.
pub struct OutCounters<T> {
    place: *mut T,
    size: usize,
}

/// # Safety
/// `pointer` points to a `T` whose `size` is initialised and tells how many bytes can be written, or is NULL.
pub unsafe fn out_counters<T: Versioned>(what: &str, pointer: *mut T) -> Result<OutCounters<T>> {
    check_pointer(what, pointer)?;
    // SAFETY: aligned, and the struct begins with this field.
    let size = unsafe { pointer.cast::<usize>().read() };
    check_size::<T>(what, size)?;
    Ok(OutCounters { place: pointer, size })
}

impl<T: Versioned> OutCounters<T> {
    pub fn set(self, counters: &T) {
        let known = self.size.min(size_of::<T>());
        let first = size_of::<usize>();
        let (from, to) = ((counters as *const T).cast::<u8>(), self.place.cast::<u8>());
        // SAFETY: `size` bytes can be written as the maker promised; `known` bytes of the counters exist; the two do
        // not overlap, one being the library's own.
        unsafe {
            std::ptr::copy_nonoverlapping(from.add(first), to.add(first), known - first);
            std::ptr::write_bytes(to.add(known), 0, self.size - known);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::error::{with_detail, Error};
    use std::mem::offset_of;

    /// Stands for a struct that had its first two fields in the first version.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(C)]
    struct td_grown {
        size: usize,
        first: u64,
        later: u64,
    }
    // SAFETY: `repr(C)`, begins with its size, and zeros are a value.
    unsafe impl Versioned for td_grown {
        const FIRST: usize = offset_of!(td_grown, first) + 8;
    }

    /// As a newer caller would have it.
    #[repr(C)]
    struct Newer {
        known: td_grown,
        unknown: u64,
    }

    fn detail_of<T>(result: Result<T>) -> String {
        assert_eq!(result.map(drop), Err(Error::Inval));
        with_detail(str::to_owned)
    }

    fn read(newer: &Newer) -> Result<td_grown> {
        // SAFETY: as many bytes as `size` says are there in every test that gives a size within the limits.
        unsafe { options("options", (newer as *const Newer).cast::<td_grown>()) }
    }

    fn newer(size: usize, unknown: u64) -> Newer {
        Newer { known: td_grown { size, first: 1, later: 2 }, unknown }
    }

    #[test]
    fn an_older_caller_leaves_what_it_does_not_know_zero() {
        assert_eq!(read(&newer(16, 0)), Ok(td_grown { size: 16, first: 1, later: 0 }));
        assert_eq!(read(&newer(24, 0)), Ok(td_grown { size: 24, first: 1, later: 2 }));
    }

    #[test]
    fn a_newer_caller_may_not_use_what_the_library_does_not_know() {
        assert_eq!(read(&newer(32, 0)), Ok(td_grown { size: 32, first: 1, later: 2 }));
        let detail = detail_of(read(&newer(32, 1 << 8)));
        assert!(detail.contains("byte 25 is not zero") && detail.contains("24 bytes"), "{detail}");
    }

    #[test]
    fn a_size_that_cannot_be_is_named_with_the_right_one() {
        for size in [0, 15, LARGEST + 1, usize::MAX] {
            let detail = detail_of(read(&newer(size, 0)));
            assert_eq!(detail, format!("options->size is {size}; set it to sizeof(td_grown), which is 24 here"));
        }
        // SAFETY: NULL is allowed.
        let defaults = unsafe { options::<td_grown>("options", std::ptr::null()) };
        assert_eq!(defaults, Ok(td_grown { size: 0, first: 0, later: 0 }));
    }

    #[test]
    fn counters_are_written_as_far_as_the_caller_has_room() {
        let full = td_grown { size: 24, first: 7, later: 8 };
        for (size, expected) in [(16, (16, 7, 2, 9)), (24, (24, 7, 8, 9)), (32, (32, 7, 8, 0))] {
            let mut place = newer(size, 9);
            // SAFETY: `place` has 32 bytes, which is the largest size given.
            unsafe { out_counters("counters", (&mut place as *mut Newer).cast::<td_grown>()) }.unwrap().set(&full);
            let known = place.known;
            assert_eq!((known.size, known.first, known.later, place.unknown), expected);
        }
    }
}
