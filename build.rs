//! Gives the shared library its SONAME and keeps it in memory once it is loaded.
//!
//! SONAME: programs bind to `libtidings.so.N`, N being the ABI version (`TD_ABI_VERSION` in the header;
//! `tests/structure.rs` compares the two). NODELETE: engine threads and fork handlers may still run when the last
//! `dlclose` comes, so the code must stay mapped. What is exported needs no help: rustc hides everything of a cdylib
//! that is not a `#[no_mangle]` function.

/// The number in the SONAME.
const ABI_VERSION: u32 = 0;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    // Other linkers have other words for this (`-install_name`, `.def` files); they come with their platforms.
    if matches!(os.as_str(), "linux" | "android" | "freebsd") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libtidings.so.{ABI_VERSION}");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
