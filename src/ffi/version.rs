//! The version of the library and of its ABI.
//!
//! Guarantees: these functions cannot fail, and the numbers are those of Cargo.toml (a test compares them).

use std::ffi::c_char;

/// Version of this header; td_version_number is that of the library it runs with.
///
/// new major: programs may have to change
pub const TD_VERSION_MAJOR: u32 = 0;
/// new minor: functions, codes or option fields were added
pub const TD_VERSION_MINOR: u32 = 1;
/// new patch: nothing to compile against has changed
pub const TD_VERSION_PATCH: u32 = 0;
/// the number in the SONAME, libtidings.so.0; while it is 0 nothing is promised
pub const TD_ABI_VERSION: u32 = 0;

/// The library's version as text, "0.1.0".
///
/// Returns: static text.
/// Threads: any.
/// Blocks: no.
/// Owns: the library keeps the text.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The library's version as a number that grows with it.
///
/// Returns: major * 1000000 + minor * 1000 + patch.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_version_number() -> u32 {
    TD_VERSION_MAJOR * 1_000_000 + TD_VERSION_MINOR * 1_000 + TD_VERSION_PATCH
}

/// The library's ABI version. A program compiled with another TD_ABI_VERSION must not go on; see TD_CHECK_ABI.
///
/// Returns: the number in the library's SONAME.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_abi_version() -> u32 {
    TD_ABI_VERSION
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_version_of_the_package() {
        let header = format!("{TD_VERSION_MAJOR}.{TD_VERSION_MINOR}.{TD_VERSION_PATCH}");
        assert_eq!(header, env!("CARGO_PKG_VERSION"), "the constants in src/ffi/version.rs must follow Cargo.toml");
        // SAFETY: static, NUL-terminated text.
        let text = unsafe { std::ffi::CStr::from_ptr(td_version()) };
        assert_eq!(text.to_str(), Ok(header.as_str()));
        assert_eq!(td_version_number(), 1_000);
    }
}
