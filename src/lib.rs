//! tidings: Erlang's mailboxes, monitors, names, timers and topics as a C library.
//!
//! The C ABI of `include/tidings.h` is the face of this crate to other languages; what follows is its face to Rust, over
//! the same engine. See `ARCHITECTURE.md` for the floors: arrows go down only.
//!
//! ```
//! use tidings::{Engine, Kind};
//!
//! let engine = Engine::new()?;
//! let (ann, bob) = (engine.mailbox().open()?, engine.mailbox().open()?);
//! let _watch = ann.monitor(bob.address())?;
//! bob.send_to(ann.address(), 7, b"hello")?;
//! bob.exit(tidings::Reason::user(0), b"tired")?;
//! assert_eq!(ann.recv()?.text(), "hello");
//! let down = ann.recv()?;
//! assert_eq!((down.kind(), &*down.text()), (Kind::Down, "tired"));
//! # Ok::<(), tidings::Error>(())
//! ```
//!
//! An [`Engine`] is a world of mailboxes. A [`Mailbox`] is read by receive calls, by a handler in a [`Loop`] that the
//! program runs where it likes, or by a handler on the engine's workers. Whoever knows a mailbox's [`Address`], a number
//! that may pass through C, Python and back, can send to it, call it, watch it, end it.
//!
//! Where nothing else is said: everything may be called from any thread, also inside a handler, and does not wait.
//! What waits takes an `Option<Duration>`: `None` is without limit, zero does not wait at all. What is sent is copied, and
//! what is received is yours until you drop it. What is opened, watched or asked ends with the drop of what stands for it,
//! or has a `detach`. [`Error`] has one variant for each cause, [`last_error`] the detail; those that an item names are the
//! ones to expect of it, besides `Inval` for arguments that can never be right, `BadId` and `NoProc` or `Stale` for what is
//! no such object or is over, and `NoMem`.

#![deny(unsafe_code)]
#![deny(missing_docs)]

mod api;
mod call;
mod clock;
mod dispatch;
mod engine;
mod error;
// Its documentation is the header's, where [0] is an index and no link.
#[allow(missing_docs, rustdoc::broken_intra_doc_links, rustdoc::private_intra_doc_links)]
#[doc(hidden)]
pub mod ffi;
mod group;
mod here;
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
mod spare;
mod sync;
mod table;
mod timer;
mod topic;
mod watch;

pub use api::*;
pub use error::{Error, Result};
