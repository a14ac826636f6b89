//! The C ABI: what `include/tidings.h` declares, one file per section of the header, pointers in, ids out.
//!
//! Guarantees, for every function of it: no panic crosses the boundary (it becomes `TD_EPANIC` and the host lives);
//! no argument but a dangling pointer leads to undefined behaviour; out-parameters are written only on success,
//! except ids, which become 0 on failure; this thread's detail is that of this call. There is no logic here: a
//! function checks its pointers, calls the function of the same name in [`crate::engine`], and hands out the result.
//!
//! The header is generated from these files by `cargo test --test header`; their doc comments are its comments and
//! their order is its order.

#![allow(unsafe_code)]
#![allow(non_camel_case_types)] // the names are those of C
#![allow(clippy::missing_safety_doc)] // what the caller must keep to is said once, in the header's opening comment
#![allow(clippy::too_many_arguments)] // the signatures are the header's

mod args;
mod versioned;

#[cfg(all(test, not(loom)))]
mod stress;
#[cfg(test)]
mod tests;

pub mod call;
pub mod engine;
pub mod error;
pub mod group;
pub mod link;
pub mod look;
pub mod loop_;
pub mod mailbox;
pub mod monitor;
pub mod name;
pub mod receive;
pub mod send;
pub mod testing;
pub mod timer;
pub mod topic;
pub mod types;
pub mod version;

use crate::error::{clear_detail, Error, Result};
use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Events of this thread that go to the log with a panic.
#[cfg(not(loom))]
const LATELY: usize = 32;

/// Runs the body of a C function: forgets the detail of an earlier failure, catches a panic, and makes the result the
/// number that C sees.
#[inline]
fn guard(body: impl FnOnce() -> Result<i32>) -> i32 {
    clear_detail();
    // A panic leaves nothing of the caller's half-changed: what the body borrows is read-only or written at its end.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(count)) => count,
        Ok(Err(error)) => error.code(),
        Err(panic) => panicked(panic),
    }
}

#[cold]
fn panicked(panic: Box<dyn Any + Send>) -> i32 {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => format!("panic: {text}"),
        (_, Some(text)) => format!("panic: {text}"),
        _ => "panic with a value that is not text".to_owned(),
    };
    // Dropping a payload of unknown type could panic again.
    std::mem::forget(panic);
    crate::recorder::record(crate::recorder::Event::Panic, crate::id::Id::NONE, crate::id::Id::NONE, 0);
    crate::log::write(crate::log::ERROR, || text.clone());
    #[cfg(not(loom))]
    for told in crate::recorder::lately(LATELY) {
        crate::log::write(crate::log::ERROR, || format!("before the panic: {told}"));
    }
    Error::Panic.because(text).code()
}

/// Success without a count.
#[inline]
fn done(result: Result<()>) -> Result<i32> {
    result.map(|()| 0)
}

/// Success with a count; one too large for C's result is cut to the largest there is.
#[inline]
fn count(result: Result<u32>) -> Result<i32> {
    result.map(|count| i32::try_from(count).unwrap_or(i32::MAX))
}

#[cfg(all(test, not(loom)))]
mod guard_tests {
    use super::*;
    use crate::error::with_detail;

    #[test]
    fn a_panic_becomes_a_code_and_its_text_the_detail() {
        assert_eq!(guard(|| panic!("number {}", 7)), Error::Panic.code());
        assert_eq!(with_detail(str::to_owned), "panic: number 7");
        assert_eq!(guard(|| panic!("plain")), Error::Panic.code());
        assert_eq!(with_detail(str::to_owned), "panic: plain");
        assert_eq!(guard(|| std::panic::panic_any(7u8)), Error::Panic.code());
        assert_eq!(with_detail(str::to_owned), "panic with a value that is not text");
    }

    #[test]
    fn a_call_forgets_the_detail_of_the_one_before() {
        assert_eq!(guard(|| Err(Error::Inval.because("wrong"))), -1);
        assert_eq!(with_detail(str::to_owned), "wrong");
        assert_eq!(guard(|| Err(Error::Again)), -8);
        assert_eq!(with_detail(str::to_owned), "");
    }

    #[test]
    fn counts_too_large_for_c_are_cut() {
        assert_eq!(guard(|| count(Ok(5))), 5);
        assert_eq!(guard(|| count(Ok(u32::MAX))), i32::MAX);
        assert_eq!(guard(|| done(Ok(()))), 0);
    }
}
