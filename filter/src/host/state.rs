//! The VM's state, and its clock.

use super::abi;
use crate::vm::Vm;
use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};

thread_local! {
    /// Shared by all plugins of a VM (inbound, outbound): Envoy runs a VM on one thread.
    static VM: RefCell<Vm> = RefCell::new(Vm::new(RandomState::new().build_hasher().finish()));
}

/// Runs `f` on the VM's state. The state is never borrowed across a host call that may call back,
/// so that `None` only replaces a panic.
pub(super) fn with_vm<T>(f: impl FnOnce(&mut Vm) -> T) -> Option<T> {
    VM.with(|vm| vm.try_borrow_mut().ok().map(|mut vm| f(&mut vm)))
}

/// Returns the time, microseconds since the Unix epoch.
pub(super) fn now_us() -> u64 {
    abi::now_ns() / 1_000
}

/// Returns the time, milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    abi::now_ns() / 1_000_000
}
