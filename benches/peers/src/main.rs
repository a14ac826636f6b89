//! The Rust peers of the benchmarks: `peers BENCHMARK WORD...` measures once and prints `METRIC VALUE` lines.
//! `peers` alone lists what there is. Each kind of work is one file; each peer is used as its manual shows.

mod call;
mod channels;
mod fanout;
mod many;
mod monitors;
mod oneway;
mod pingpong;
mod ring;
mod runtime;
mod wakeup;

use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a program measured, by metric.
pub type Rows = Vec<(&'static str, f64)>;

/// A kind of work: its name, the words that follow it, and what it measures; None when it does not know the words.
type Work = (&'static str, &'static str, fn(&[&str]) -> Option<Rows>);

const WORKS: &[Work] = &[
    ("call", call::USAGE, call::measure),
    ("fanout", fanout::USAGE, fanout::measure),
    ("many", many::USAGE, many::measure),
    ("monitors", monitors::USAGE, monitors::measure),
    ("oneway", oneway::USAGE, oneway::measure),
    ("pingpong", pingpong::USAGE, pingpong::measure),
    ("ring", ring::USAGE, ring::measure),
    ("wakeup", wakeup::USAGE, wakeup::measure),
];

/// The median, and what one in a hundred exceeds.
pub fn percentiles(nanoseconds: &mut [f64]) -> Rows {
    nanoseconds.sort_by(f64::total_cmp);
    let count = nanoseconds.len();
    vec![("p50_ns", nanoseconds[count / 2]), ("p99_ns", nanoseconds[count * 99 / 100])]
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let work = words.first().and_then(|name| WORKS.iter().find(|work| work.0 == *name));
    let Some(rows) = work.and_then(|work| work.2(&words[1..])) else {
        for (name, usage, _) in WORKS {
            eprintln!("usage: peers {name} {usage}");
        }
        eprintln!("CHANNEL is one of {}", channels::NAMES.join(", "));
        return ExitCode::from(2);
    };
    for (metric, value) in rows {
        println!("{metric} {value:.3}");
    }
    ExitCode::SUCCESS
}
