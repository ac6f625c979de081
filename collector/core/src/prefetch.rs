//! Prefetch of memory into the processor cache.
//!
//! Invariant: a prefetch changes nothing and blocks nothing. A plain read also loads the cache
//! line, but a processor executes only some hundred instructions past a pending read, so that many
//! reads stall each other and the code after them.

/// Prefetches the cache line where a value begins.
#[inline]
#[expect(unsafe_code, reason = "a hint for the processor, which neither reads nor writes the address")]
pub(crate) fn prefetch<T>(value: &T) {
    let address: *const i8 = std::ptr::from_ref(value).cast();
    // SAFETY: the instruction never faults, whatever the address is; every processor of this
    // architecture supports it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address);
    }
    // SAFETY: the instruction never faults; no register and no memory changes.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
