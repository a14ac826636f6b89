//! A second Rust archive for the static link check: it brings a standard library of its own, with threads, a caught
//! panic and allocation, under the names the first one brought.

#[no_mangle]
pub extern "C" fn another_archive() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    let one = std::thread::spawn(|| vec![1].len() as i32).join().unwrap_or(0);
    let caught = std::panic::catch_unwind(|| panic!("caught")).is_err();
    one + i32::from(caught)
}
