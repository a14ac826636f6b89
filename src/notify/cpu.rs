//! What the flight recorder asks the CPU and the system: a counter, and who this thread is.
//!
//! Guarantees: the counter costs no call; only differences of its values mean anything.

/// About as much as the counter goes on in a microsecond: less than that means that next to no time has passed.
pub const MICROSECOND: u64 = if cfg!(miri) {
    1000
} else if cfg!(target_arch = "x86_64") {
    2000
} else if cfg!(target_arch = "aarch64") {
    100
} else {
    1000
};

/// The CPU's own counter.
#[inline]
pub fn ticks() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: reads a counter that every CPU of this architecture has.
    let ticks = unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    let ticks = {
        let ticks: u64;
        // SAFETY: reads a counter that user code may read, and touches nothing else.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
        ticks
    };
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let ticks = super::now() as u64;
    ticks
}

/// Number and name of this thread, as the system's tools show them; the name ends with a zero, or with the array.
#[cfg(target_os = "linux")]
pub fn this_thread() -> (u32, [u8; 16]) {
    let mut name = [0u8; 16];
    if cfg!(miri) {
        let own = std::thread::current();
        name.iter_mut().zip(own.name().unwrap_or("").bytes()).for_each(|(to, from)| *to = from);
        return (0, name);
    }
    // SAFETY: gettid takes nothing; PR_GET_NAME writes at most 16 bytes with a NUL into a buffer of that size.
    let number = unsafe {
        libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr());
        libc::syscall(libc::SYS_gettid)
    };
    (number as u32, name)
}
