//! Host calls of proxy-wasm ABI 0.2.1, where those of the SDK do not fit.
//!
//! Invariant: only numbers cross this boundary, and memory whose length both sides agree on. No
//! pointer of Envoy outlives its call.
//!
//! The SDK's gRPC call stores each call for the SDK's entry points and would never remove one. Its
//! other calls that this crate would need panic at an unknown status, or allocate.

#![allow(unsafe_code, reason = "an ABI passes addresses and lengths; all of them are in this file")]

use crate::self_metrics::Kind;
use std::mem::ManuallyDrop;
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};

/// The status of a successful host call; every other status is a failure.
const OK: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_current_time_nanoseconds(time_ns: *mut u64) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        value: *mut *mut u8,
        value_size: *mut usize,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        result: *mut *mut u8,
        result_size: *mut usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
    fn proxy_done() -> u32;
    fn proxy_increment_metric(metric: u32, by: i64) -> u32;
    fn proxy_grpc_call(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        message: *const u8,
        message_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
}

/// The largest result whose memory is reused, bytes.
const REUSED_BYTES_MAX: usize = 4_096;

// A VM has one thread, so that these are plain words. Thread locals would cost each request 150
// more instructions.
/// Memory of a previous result; null when there is none.
static FREE: AtomicPtr<u8> = AtomicPtr::new(null_mut());
/// The capacity of [`FREE`].
static FREE_CAPACITY: AtomicUsize = AtomicUsize::new(0);
/// The capacity of the memory that Envoy got last. Envoy allocates once in each call with a result.
static CAPACITY: AtomicUsize = AtomicUsize::new(0);
/// Whether the memory that Envoy gets is returned to this file, and not to the SDK.
static IS_OWN_CALL: AtomicBool = AtomicBool::new(false);

/// Stores the memory of a result for the next one.
pub(super) fn recycle(memory: Vec<u8>) {
    if (1..=REUSED_BYTES_MAX).contains(&memory.capacity()) {
        drop(take_free());
        let mut memory = ManuallyDrop::new(memory);
        FREE_CAPACITY.store(memory.capacity(), Relaxed);
        FREE.store(memory.as_mut_ptr(), Relaxed);
    }
}

/// Removes and returns the stored memory; an empty `Vec` when there is none.
fn take_free() -> Vec<u8> {
    let memory = FREE.swap(null_mut(), Relaxed);
    if memory.is_null() {
        return Vec::new();
    }
    // SAFETY: `recycle` took both from one `Vec`, and the swap makes this function the only owner.
    unsafe { Vec::from_raw_parts(memory, 0, FREE_CAPACITY.load(Relaxed)) }
}

/// Allocates memory for a result of Envoy.
#[unsafe(export_name = "hop_on_memory_allocate")]
extern "C" fn memory_allocate(size: usize) -> *mut u8 {
    let free = if IS_OWN_CALL.load(Relaxed) { take_free() } else { Vec::new() };
    if free.capacity() >= size {
        CAPACITY.store(free.capacity(), Relaxed);
        return ManuallyDrop::new(free).as_mut_ptr();
    }
    CAPACITY.store(size, Relaxed);
    // The SDK frees exactly the requested size.
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

/// Returns the time, nanoseconds since the Unix epoch.
pub(super) fn now_ns() -> u64 {
    let mut time_ns = 0;
    // SAFETY: Envoy writes one u64.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut time_ns) };
    if status == OK { time_ns } else { 0 }
}

/// Returns the property at `path`, whose segments are separated by NUL.
pub(super) fn property(path: &[u8]) -> Option<Vec<u8>> {
    let (mut value, mut size) = (null_mut(), 0);
    IS_OWN_CALL.store(true, Relaxed);
    // SAFETY: Envoy reads `path` during the call and writes an address and a length.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut value, &raw mut size) };
    into_vec(status, value, size)
}

/// Calls Envoy's foreign function of this name; `None` when it fails or does not exist.
pub(super) fn foreign_function(name: &str, argument: &[u8]) -> Option<Vec<u8>> {
    let (mut result, mut size) = (null_mut(), 0);
    IS_OWN_CALL.store(true, Relaxed);
    // SAFETY: Envoy reads name and argument during the call and writes an address and a length.
    let status = unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            &raw mut result,
            &raw mut size,
        )
    };
    into_vec(status, result, size)
}

/// Defines a metric and returns Envoy's id; `None` where Envoy has no metrics.
pub(super) fn metric(kind: Kind, name: &str) -> Option<u32> {
    let kind = match kind {
        Kind::Counter => 0,
        Kind::Gauge => 1,
    };
    let mut metric = 0;
    // SAFETY: Envoy reads the name during the call and writes one u32.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut metric) };
    (status == OK).then_some(metric)
}

/// Increments a metric. Envoy ignores an unknown id.
pub(super) fn increment_metric(metric: u32, by: i64) {
    // SAFETY: only numbers are passed.
    let _ = unsafe { proxy_increment_metric(metric, by) };
}

/// Lets Envoy delete the root context that stayed after its end.
pub(super) fn done() {
    // SAFETY: no memory is passed.
    let _ = unsafe { proxy_done() };
}

/// Dispatches a unary gRPC call and returns its token; `None` when Envoy cannot dispatch it.
pub(super) fn grpc_call(
    target: &[u8],
    service: &str,
    method: &str,
    message: &[u8],
    timeout_ms: u64,
) -> Option<u32> {
    // An empty metadata map is its number of entries.
    let metadata = 0_u32.to_le_bytes();
    let timeout_ms = u32::try_from(timeout_ms).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: Envoy reads the texts during the call and writes one u32.
    let status = unsafe {
        proxy_grpc_call(
            target.as_ptr(),
            target.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            if message.is_empty() { null() } else { message.as_ptr() },
            message.len(),
            timeout_ms,
            &raw mut token,
        )
    };
    (status == OK).then_some(token)
}

/// Returns the result of a host call as a `Vec`.
fn into_vec(status: u32, value: *mut u8, size: usize) -> Option<Vec<u8>> {
    IS_OWN_CALL.store(false, Relaxed);
    if status != OK {
        return None;
    }
    if value.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: Envoy got this memory from `memory_allocate`, which it called once during this host
    // call. The memory has that capacity, at least `size` bytes, which Envoy has written, and is
    // returned once.
    Some(unsafe { Vec::from_raw_parts(value, size, CAPACITY.load(Relaxed)) })
}
