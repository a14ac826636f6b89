//! The Rust peers of the benchmarks: `peers BENCHMARK PEER` measures once and prints `METRIC VALUE` lines.
//! `peers` alone lists what there is. Each benchmark is one file; each peer is used as its manual shows.

mod p1;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let measured = match words[..] {
        ["p1", peer] => p1::measure(peer),
        _ => None,
    };
    match measured {
        Some(nanoseconds) => {
            println!("ns_per_message {nanoseconds:.3}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("usage: peers p1 {}", p1::PEERS.join("|"));
            ExitCode::from(2)
        }
    }
}
