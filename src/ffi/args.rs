//! The arguments of C functions: pointers, sizes, text, flags and times, checked and made Rust values.
//!
//! Guarantees: what passes here is safe to use as long as the caller's pointers point where they claim to; what does
//! not pass is `TD_EINVAL` with a detail that names the parameter, what it was, and what would be right.

use crate::error::{Error, Result};
use crate::id::Id;
use std::ffi::{c_char, c_void};

#[cold]
pub fn invalid<T>(detail: impl Into<String>) -> Result<T> {
    Err(Error::Inval.because(detail))
}

/// The bytes at `data`; NULL is right when there are none.
///
/// # Safety
/// `data` points to `size` readable bytes that stay for `'a`, or is NULL.
#[inline]
pub unsafe fn bytes<'a>(what: &str, data: *const c_void, size: usize) -> Result<&'a [u8]> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return invalid(format!("{what} is NULL with a size of {size}; give {size} bytes, or size 0"));
    }
    if size > isize::MAX as usize {
        return invalid(format!("the size of {what} is {size}; at most {} bytes can exist", isize::MAX));
    }
    // SAFETY: not NULL, of a possible size, and readable as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), size) })
}

/// The UTF-8 text at `text`.
///
/// # Safety
/// As for [`bytes`].
pub unsafe fn text<'a>(what: &str, text: *const c_char, size: usize) -> Result<&'a str> {
    // SAFETY: the caller's promise, passed on.
    let bytes = unsafe { bytes(what, text.cast(), size) }?;
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(bad) => {
            invalid(format!("{what} is not UTF-8: its byte {} is {:#04x}", bad.valid_up_to(), bytes[bad.valid_up_to()]))
        }
    }
}

/// The name of a mailbox at `text`: 1 to 255 bytes of UTF-8.
///
/// # Safety
/// As for [`bytes`].
pub unsafe fn name<'a>(what: &str, text: *const c_char, size: usize) -> Result<&'a str> {
    // SAFETY: the caller's promise, passed on.
    let name = unsafe { self::text(what, text, size) }?;
    crate::registry::check_name(name)?;
    Ok(name)
}

/// What a C programmer calls the type.
pub fn name_of<T>() -> String {
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    match name {
        "i64" => "int64_t".into(),
        "u32" => "uint32_t".into(),
        "isize" => "td_fd".into(),
        "c_void" => "void pointer".into(),
        // One of the engine's, which has the layout of the header's.
        _ if !name.starts_with("td_") => format!("td_{}", name.to_lowercase()),
        _ => name.into(),
    }
}

/// Refuses NULL, and what cannot be the address of a `T`.
#[inline(always)]
pub fn check_pointer<T>(what: &str, pointer: *const T) -> Result<()> {
    if pointer.is_null() || !pointer.is_aligned() {
        return bad_pointer(what, pointer);
    }
    Ok(())
}

#[cold]
fn bad_pointer<T>(what: &str, pointer: *const T) -> Result<()> {
    if pointer.is_null() {
        return invalid(format!("{what} is NULL; give the address of: {}", name_of::<T>()));
    }
    invalid(format!("{what} is {pointer:p}, which is not aligned for a {}", name_of::<T>()))
}

/// An object of the caller's to read.
///
/// # Safety
/// `pointer` points to an initialised `T` that stays for `'a` and is not written meanwhile, or is NULL.
#[inline]
pub unsafe fn reference<'a, T>(what: &str, pointer: *const T) -> Result<&'a T> {
    check_pointer(what, pointer)?;
    // SAFETY: not NULL, aligned, and valid as the caller promises.
    Ok(unsafe { &*pointer })
}

/// An object of the caller's to read and change.
///
/// # Safety
/// `pointer` points to an initialised `T` that only this call uses during `'a`, or is NULL.
#[inline]
pub unsafe fn reference_mut<'a, T>(what: &str, pointer: *mut T) -> Result<&'a mut T> {
    check_pointer(what, pointer)?;
    // SAFETY: not NULL, aligned, and valid as the caller promises.
    Ok(unsafe { &mut *pointer })
}

/// `count` objects of the caller's to read; NULL is right when there are none.
///
/// # Safety
/// `pointer` points to `count` initialised `T` that stay for `'a`, or is NULL.
pub unsafe fn array<'a, T>(what: &str, pointer: *const T, count: usize) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    check_pointer(what, pointer)?;
    if count > isize::MAX as usize / size_of::<T>() {
        return invalid(format!(
            "the count of {what} is {count}; at most {} can exist",
            isize::MAX as usize / size_of::<T>()
        ));
    }
    // SAFETY: not NULL, aligned, of a possible size, and initialised as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// A place of the caller's that a result goes to.
pub struct Out<T>(*mut T);

/// # Safety
/// `pointer` can be written as long as the result is used, or is NULL.
#[inline]
pub unsafe fn out<T>(what: &str, pointer: *mut T) -> Result<Out<T>> {
    check_pointer(what, pointer)?;
    Ok(Out(pointer))
}

/// As [`out`], for a place that may be NULL when the caller does not want the result.
///
/// # Safety
/// As for [`out`].
#[inline]
pub unsafe fn out_or_null<T>(what: &str, pointer: *mut T) -> Result<Option<Out<T>>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise, passed on.
    unsafe { out(what, pointer) }.map(Some)
}

/// As [`out`], for an id: it is 0 from here on until it is set.
///
/// # Safety
/// As for [`out`].
#[inline]
pub unsafe fn out_id<T: From<Id>>(what: &str, pointer: *mut T) -> Result<Out<T>> {
    // SAFETY: the caller's promise, passed on.
    let out = unsafe { out(what, pointer) }?;
    // SAFETY: `out` has checked the pointer, and the caller promises that it can be written.
    unsafe { pointer.write(T::from(Id::NONE)) };
    Ok(out)
}

/// As [`out_id`], for a place that may be NULL when the caller does not want the id.
///
/// # Safety
/// As for [`out`].
pub unsafe fn out_id_or_null<T: From<Id>>(what: &str, pointer: *mut T) -> Result<Option<Out<T>>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise, passed on.
    unsafe { out_id(what, pointer) }.map(Some)
}

impl<T> Out<T> {
    #[inline]
    pub fn set(&self, value: T) {
        // SAFETY: checked when made; the maker promised that it can be written until now.
        unsafe { self.0.write(value) }
    }
}

/// Refuses flag bits outside `known`, whose names are `names`.
#[inline]
pub fn flags(what: &str, given: u32, known: u32, names: &str) -> Result<()> {
    if given & !known != 0 {
        return invalid(format!("{what} is {given:#x}, of which {:#x} is unknown; give {names}", given & !known));
    }
    Ok(())
}

/// Refuses a value other than 0 where none is defined yet.
pub fn zero(what: &str, given: u32) -> Result<()> {
    if given != 0 {
        return invalid(format!("{what} is {given:#x}; it must be 0"));
    }
    Ok(())
}

/// A wait in nanoseconds.
#[inline]
pub fn timeout(what: &str, given: i64) -> Result<i64> {
    if given < 0 {
        return invalid(format!(
            "{what} is {given}; give nanoseconds, 0 not to wait, or TD_FOREVER to wait without limit"
        ));
    }
    Ok(given)
}

/// A stretch of time in nanoseconds, at least `least`.
pub fn span(what: &str, given: i64, least: i64) -> Result<i64> {
    if given < least {
        return invalid(format!("{what} is {given}; give nanoseconds, at least {least}"));
    }
    Ok(given)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::error::with_detail;

    fn detail_of<T>(result: Result<T>) -> String {
        assert_eq!(result.map(drop), Err(Error::Inval));
        with_detail(str::to_owned)
    }

    #[test]
    fn a_pointer_that_cannot_be_is_named() {
        let mut words = [0u64; 2];
        // SAFETY: NULL and misaligned pointers are refused before use; the odd size is, too.
        unsafe {
            assert_eq!(detail_of(out::<i64>("now", std::ptr::null_mut())), "now is NULL; give the address of: int64_t");
            let odd = words.as_mut_ptr().cast::<u8>().add(1).cast::<u64>();
            assert!(detail_of(reference("item", odd)).contains("not aligned"));
            assert!(detail_of(bytes("data", std::ptr::null(), 3)).contains("data is NULL with a size of 3"));
            assert!(detail_of(bytes("data", words.as_ptr().cast(), usize::MAX)).contains("at most"));
            assert!(detail_of(array("items", words.as_ptr(), usize::MAX / 8)).contains("at most"));
            assert_eq!(bytes("data", std::ptr::null(), 0), Ok(&[][..]));
            assert_eq!(array::<u64>("items", std::ptr::null(), 0), Ok(&[][..]));
        }
    }

    #[test]
    fn text_says_where_it_is_not_utf8() {
        // SAFETY: the bytes are there.
        let bad = unsafe { text("name", b"ab\xff".as_ptr().cast(), 3) };
        assert_eq!(detail_of(bad), "name is not UTF-8: its byte 2 is 0xff");
    }

    #[test]
    fn an_id_is_zero_until_it_is_set() {
        let mut id = super::super::types::td_timer { id: 5 };
        // SAFETY: the id is there.
        let out = unsafe { out_id("timer", &mut id) }.unwrap();
        // SAFETY: as above; read as C would.
        assert_eq!(unsafe { (&raw const id).read() }.id, 0);
        out.set(Id(9).into());
        assert_eq!(id.id, 9);
    }

    #[test]
    fn unknown_flags_and_times_are_refused() {
        let detail = detail_of(flags("flags", 5, 1, "0 or TD_INTERRUPTIBLE"));
        assert_eq!(detail, "flags is 0x5, of which 0x4 is unknown; give 0 or TD_INTERRUPTIBLE");
        assert!(detail_of(timeout("timeout", -1)).contains("TD_FOREVER"));
        assert!(detail_of(span("period", 0, 1)).contains("at least 1"));
        assert!(detail_of(zero("options->flags", 1)).contains("must be 0"));
        assert_eq!((timeout("timeout", i64::MAX), span("delay", 0, 0)), (Ok(i64::MAX), Ok(0)));
    }
}
