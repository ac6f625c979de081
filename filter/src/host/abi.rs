//! The binary interface between Envoy and the module, ABI 0.2.1 of proxy-wasm, where the SDK's own does not fit.
//!
//! In: Envoy's entries into the VM, and what the door wants of Envoy. Out: calls of [`super`], and host calls. Always
//! holds: what crosses here is numbers, and memory whose length both sides agree on; nothing is kept of a pointer.
//!
//! The SDK's entry points cost each request a context object, a map and three entries more. So these functions are the
//! entries: `cargo xtask module` gives `hop_on_*` the names that Envoy looks for and takes the SDK's away, since two
//! symbols of one name do not link. Its gRPC call notes each call for its entry points and would never forget one; its
//! other calls used here would panic at a status that they do not know, or allocate.

#![allow(unsafe_code, reason = "an ABI is addresses and lengths; all of the filter's are in this file")]

use crate::self_metrics::Kind;
use std::mem::ManuallyDrop;
use std::ptr::{null, null_mut};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};

/// What a host call answers; anything but this is a failure.
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

/// No answer is kept that is larger, bytes.
const TRACKED_MAX: usize = 4_096;

// A VM has one thread, so these are plain words; thread locals would cost each request 150 instructions more.
/// Memory of an answer that was read, for the next one, and its capacity; null when there is none.
static KEPT: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static KEPT_CAPACITY: AtomicUsize = AtomicUsize::new(0);
/// The capacity of what Envoy was given last. It asks for memory once in each call that brings something.
static CAPACITY: AtomicUsize = AtomicUsize::new(0);
/// Whether what Envoy is given comes back here, and not to the SDK.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// Keeps the memory of an answer for the next.
pub(super) fn keep(answer: Vec<u8>) {
    if (1..=TRACKED_MAX).contains(&answer.capacity()) {
        drop(kept());
        let mut answer = ManuallyDrop::new(answer);
        KEPT_CAPACITY.store(answer.capacity(), Relaxed);
        KEPT.store(answer.as_mut_ptr(), Relaxed);
    }
}

/// Takes out what is kept.
fn kept() -> Vec<u8> {
    let memory = KEPT.swap(null_mut(), Relaxed);
    if memory.is_null() {
        return Vec::new();
    }
    // SAFETY: `keep` took both from one `Vec`, and whoever takes the address out is its only owner.
    unsafe { Vec::from_raw_parts(memory, 0, KEPT_CAPACITY.load(Relaxed)) }
}

/// Envoy wants memory for what it brings.
#[unsafe(export_name = "hop_on_memory_allocate")]
extern "C" fn memory_allocate(size: usize) -> *mut u8 {
    let kept = if IS_OURS.load(Relaxed) { kept() } else { Vec::new() };
    if kept.capacity() >= size {
        CAPACITY.store(kept.capacity(), Relaxed);
        return ManuallyDrop::new(kept).as_mut_ptr();
    }
    CAPACITY.store(size, Relaxed);
    // The SDK takes back exactly what was asked for.
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

/// Nanoseconds since the Unix epoch.
pub(super) fn now_ns() -> u64 {
    let mut time_ns = 0;
    // SAFETY: Envoy writes one u64.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut time_ns) };
    if status == OK { time_ns } else { 0 }
}

/// The value at `path`, whose parts are parted by NUL.
pub(super) fn property(path: &[u8]) -> Option<Vec<u8>> {
    let (mut value, mut size) = (null_mut(), 0);
    IS_OURS.store(true, Relaxed);
    // SAFETY: Envoy reads `path` during the call and writes an address and a length.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut value, &raw mut size) };
    given(status, value, size)
}

/// What Envoy's function of this name makes of the argument; `None` when it fails, or where there is none.
pub(super) fn foreign_function(name: &str, argument: &[u8]) -> Option<Vec<u8>> {
    let (mut result, mut size) = (null_mut(), 0);
    IS_OURS.store(true, Relaxed);
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
    given(status, result, size)
}

/// Envoy's number of the metric of this name; `None` when it keeps none.
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

/// Moves a metric. A number that Envoy does not know increments nothing.
pub(super) fn increment_metric(metric: u32, by: i64) {
    // SAFETY: numbers only.
    let _ = unsafe { proxy_increment_metric(metric, by) };
}

/// The plugin that asked to be kept may go.
pub(super) fn done() {
    // SAFETY: nothing crosses.
    let _ = unsafe { proxy_done() };
}

/// Sends a unary gRPC call; the answer will carry the token. `None` when Envoy cannot send it.
pub(super) fn grpc_call(
    upstream: &[u8],
    service: &str,
    method: &str,
    message: &[u8],
    timeout_ms: u64,
) -> Option<u32> {
    // A map of no metadata is its number of entries.
    let metadata = 0_u32.to_le_bytes();
    let timeout_ms = u32::try_from(timeout_ms).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: Envoy reads the texts during the call and writes one u32.
    let status = unsafe {
        proxy_grpc_call(
            upstream.as_ptr(),
            upstream.len(),
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

/// What Envoy gave back, as memory of ours.
fn given(status: u32, value: *mut u8, size: usize) -> Option<Vec<u8>> {
    IS_OURS.store(false, Relaxed);
    if status != OK {
        return None;
    }
    if value.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: Envoy got this memory from `memory_allocate` in the call that has just ended, the only time there; it has
    // that capacity, at least `size` bytes, which Envoy has written, and it gives each of them back once.
    Some(unsafe { Vec::from_raw_parts(value, size, CAPACITY.load(Relaxed)) })
}

#[unsafe(export_name = "hop_on_context_create")]
extern "C" fn context_create(context: u32, root: u32) {
    super::on_context_create(context, root);
}

/// Only connections enter here. Its answer is to go on.
#[unsafe(export_name = "hop_on_new_connection")]
extern "C" fn new_connection(context: u32) -> u32 {
    super::on_connection(context);
    0
}

#[unsafe(export_name = "hop_on_log")]
extern "C" fn log(context: u32) {
    super::on_log(context);
}

#[unsafe(export_name = "hop_on_done")]
extern "C" fn on_done(context: u32) -> u32 {
    u32::from(super::on_done(context))
}

#[unsafe(export_name = "hop_on_vm_start")]
extern "C" fn vm_start(_root: u32, _configuration_bytes: usize) -> u32 {
    1
}

#[unsafe(export_name = "hop_on_configure")]
extern "C" fn configure(root: u32, configuration_bytes: usize) -> u32 {
    super::on_configure(root, configuration_bytes);
    // A plugin that Envoy refuses would close its listener's filter chain.
    1
}

#[unsafe(export_name = "hop_on_tick")]
extern "C" fn tick(root: u32) {
    super::on_tick(root);
}

#[unsafe(export_name = "hop_on_grpc_receive")]
extern "C" fn grpc_receive(root: u32, token: u32, message_bytes: usize) {
    super::on_grpc_answer(root, token, OK, message_bytes);
}

#[unsafe(export_name = "hop_on_grpc_close")]
extern "C" fn grpc_close(root: u32, token: u32, status: u32) {
    super::on_grpc_answer(root, token, status, 0);
}
