//! What the peers that run tasks share.

use tokio::runtime::{Builder, Runtime};

/// Tokio as its manual shows it, with one worker for each of two cores.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the runtime starts")
}
