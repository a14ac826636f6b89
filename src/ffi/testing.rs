//! Moving a virtual clock by hand, for tests.
//!
//! Guarantees: as the module `ffi` says.

use super::types::td_engine;
use super::{args, done, guard};
use crate::engine as facade;

/// Moves the clock of a TD_ENGINE_VIRTUAL_CLOCK engine by so many nanoseconds, stepping through every timer and timeout
/// on the way in their order.
///
/// Returns: 0; TD_EINVAL for an engine on the real clock, or a time below 0; TD_ESTALE when the engine was closed.
/// Threads: any.
/// Blocks: no; threads it wakes may not have run yet, see td_clock_wait_parked.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_clock_advance(engine: td_engine, by: i64) -> i32 {
    guard(|| {
        let by = args::span("by", by, 0)?;
        done(facade::clock_advance(engine.into(), by))
    })
}

/// Waits until count threads or more wait on the virtual clock of this engine.
///
/// Returns: 0; TD_ETIMEDOUT after real_timeout nanoseconds of real time; TD_EINVAL for an engine on the real clock;
///   TD_ESTALE when the engine was closed.
/// Threads: any.
/// Blocks: up to real_timeout.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_clock_wait_parked(engine: td_engine, count: u32, real_timeout: i64) -> i32 {
    guard(|| {
        let real_timeout = args::timeout("real_timeout", real_timeout)?;
        done(facade::clock_wait_parked(engine.into(), count, real_timeout))
    })
}
