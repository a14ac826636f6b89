//! The channels between threads that Rust programs use, under one face, by name.

use std::sync::mpsc as std_mpsc;

/// What every one of them can do. A side that is gone ends the program.
pub trait Channel: 'static {
    type Tx<T: Send + 'static>: Clone + Send + 'static;
    type Rx<T: Send + 'static>: Send + 'static;
    fn open<T: Send + 'static>() -> (Self::Tx<T>, Self::Rx<T>);
    fn send<T: Send + 'static>(tx: &Self::Tx<T>, value: T);
    fn recv<T: Send + 'static>(rx: &Self::Rx<T>) -> T;
}

/// What can be done with any of them.
pub trait Job {
    type Out;
    fn run<C: Channel>(self) -> Self::Out;
}

/// Bound of those that have one.
const BOUND: usize = 1024;

macro_rules! channels {
    ($($channel:ident $name:literal $tx:ty, $rx:ty, $open:expr;)*) => {
        $(
            struct $channel;
            impl Channel for $channel {
                type Tx<T: Send + 'static> = $tx;
                type Rx<T: Send + 'static> = $rx;
                fn open<T: Send + 'static>() -> ($tx, $rx) {
                    $open
                }
                #[inline]
                fn send<T: Send + 'static>(tx: &$tx, value: T) {
                    assert!(tx.send(value).is_ok(), "the receiver lives");
                }
                #[inline]
                fn recv<T: Send + 'static>(rx: &$rx) -> T {
                    rx.recv().expect("the sender lives")
                }
            }
        )*

        pub const NAMES: &[&str] = &[$($name),*];

        /// Does `job` with the channel of this name; None when there is none.
        pub fn with<J: Job>(name: &str, job: J) -> Option<J::Out> {
            match name {
                $($name => Some(job.run::<$channel>()),)*
                _ => None,
            }
        }
    };
}

channels! {
    Crossbeam "crossbeam-unbounded" crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>, crossbeam_channel::unbounded();
    CrossbeamBound "crossbeam-1024" crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>, crossbeam_channel::bounded(BOUND);
    Kanal "kanal-unbounded" kanal::Sender<T>, kanal::Receiver<T>, kanal::unbounded();
    KanalBound "kanal-1024" kanal::Sender<T>, kanal::Receiver<T>, kanal::bounded(BOUND);
    Flume "flume-unbounded" flume::Sender<T>, flume::Receiver<T>, flume::unbounded();
    FlumeBound "flume-1024" flume::Sender<T>, flume::Receiver<T>, flume::bounded(BOUND);
    Std "std-unbounded" std_mpsc::Sender<T>, std_mpsc::Receiver<T>, std_mpsc::channel();
    StdBound "std-1024" std_mpsc::SyncSender<T>, std_mpsc::Receiver<T>, std_mpsc::sync_channel(BOUND);
}
