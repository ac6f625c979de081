//! Memory on its way before it is needed.
//!
//! In: a place. Out: nothing. Always holds: nothing changes by it, and nothing waits for it. A read would fetch as well, but a
//! processor lets no more than some hundred instructions pass a read that waits, so that many of them hold up each other and
//! whatever comes after.

/// Begins to fetch the cache line where something begins.
#[inline]
#[expect(unsafe_code, reason = "a hint for the processor, which neither reads nor writes what it names")]
pub(crate) fn prefetch<T>(place: &T) {
    let place: *const i8 = std::ptr::from_ref(place).cast();
    // SAFETY: the instruction never faults, whatever the address is; every processor of this architecture has it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place);
    }
    // SAFETY: as above; no register and no memory changes.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}
