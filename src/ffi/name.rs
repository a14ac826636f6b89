//! Names.
//!
//! Guarantees: as the module `ffi` says; a name is UTF-8, 1 to 255 bytes.

use super::types::{td_engine, td_mailbox};
use super::{args, done, guard};
use crate::engine as facade;
use crate::id::Id;
use std::ffi::c_char;

/// Gives the mailbox a name, besides those it has. A name is free again before anyone sees the DOWN of its holder.
///
/// Returns: 0; TD_EEXIST when the name is taken; TD_ENOPROC when mailbox is over; TD_EINVAL when the name is empty, has
///   more than 255 bytes or is not UTF-8.
/// Threads: any.
/// Blocks: no.
/// Owns: the name is copied.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_register(mailbox: td_mailbox, name: *const c_char, name_size: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let name = unsafe { args::name("name", name, name_size)? };
        done(facade::register(mailbox.into(), name))
    })
}

/// Gives the mailbox a name, taking it from whoever has it in one step: every send by name goes to the old or to the
/// new holder. previous, which may be NULL, becomes the old holder, or zero.
///
/// Returns: 0; TD_ENOPROC when mailbox is over; TD_EINVAL as td_register.
/// Threads: any.
/// Blocks: no.
/// Owns: the name is copied.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_register_replace(
    mailbox: td_mailbox,
    name: *const c_char,
    name_size: usize,
    previous: *mut td_mailbox,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, name) =
            unsafe { (args::out_id_or_null("previous", previous)?, args::name("name", name, name_size)?) };
        let previous: Id = facade::register_replace(mailbox.into(), name)?;
        if let Some(out) = out {
            out.set(previous.into());
        }
        Ok(0)
    })
}

/// Frees a name. Its holder lives on.
///
/// Returns: 0; TD_ENOTFOUND when nobody has it; TD_ESTALE when the engine was closed; TD_EINVAL as td_register.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps name.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_unregister(engine: td_engine, name: *const c_char, name_size: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let name = unsafe { args::name("name", name, name_size)? };
        done(facade::unregister(engine.into(), name))
    })
}

/// Who has the name now.
///
/// Returns: 0; TD_ENOTFOUND when nobody has it; TD_ESTALE when the engine was closed; TD_EINVAL as td_register.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps name.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_whereis(
    engine: td_engine,
    name: *const c_char,
    name_size: usize,
    mailbox: *mut td_mailbox,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, name) = unsafe { (args::out_id("mailbox", mailbox)?, args::name("name", name, name_size)?) };
        out.set(facade::whereis(engine.into(), name)?.into());
        Ok(0)
    })
}
