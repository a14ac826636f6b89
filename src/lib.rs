//! tidings: Erlang's mailboxes, monitors, names, timers and topics as a C library.
//!
//! The C ABI of `include/tidings.h` is the face of this crate; `engine` is what stands behind it. See
//! `ARCHITECTURE.md` for the floors: arrows go down only.

#![deny(unsafe_code)]

mod call;
mod clock;
mod dispatch;
mod engine;
mod error;
pub mod ffi;
mod group;
mod id;
mod json;
mod link;
mod log;
mod mailbox;
mod message;
#[cfg(all(test, loom))]
mod models;
mod monitor;
mod notify;
mod oneshot;
mod owed;
mod presence;
mod process;
mod recorder;
mod registry;
mod snapshot;
mod sync;
mod table;
mod timer;
mod topic;
mod watch;
