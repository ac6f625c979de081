//! The callbacks of Envoy.

use super::log::{self, info, warn};
use super::properties::{self, Properties};
use super::state::{now_ms, now_us, with_vm};
use super::{abi, metrics};
use crate::config::Config;
use crate::report::{grpc_service, location};
use crate::text::format::line;
use proxy_wasm::hostcalls;
use proxy_wasm::types::BufferType;
use std::time::Duration;

/// Begins a request, or (where `root` is 0) a root context: one per configuration in a VM.
pub(super) fn on_context_create(context: u32, root: u32) {
    if root == 0 {
        with_vm(|vm| vm.root_created(context));
    } else if with_vm(|vm| vm.begin(context, root)) == Some(true) {
        // Two of three VMs never see a request: the one that validates a configuration, and the one
        // of the main thread.
        let hop_header = with_vm(|vm| vm.config().map(|config| config.hop_header.clone())).flatten();
        properties::compile(&hop_header.unwrap_or_default());
    }
}

/// Begins a TCP connection, of a NETWORK plugin.
pub(super) fn on_connection(context: u32) {
    with_vm(|vm| vm.connect(context));
}

/// Ends a request or a connection. Envoy calls this exactly once for each, including refused ones.
pub(super) fn on_log(context: u32) {
    with_vm(|vm| vm.observe(context, &Properties::Current, now_us()));
}

/// Ends a context. The last root context of a VM stays until all batches are acknowledged;
/// otherwise a replaced module would lose its last records. Returns whether Envoy may delete the
/// context.
pub(super) fn on_done(context: u32) -> bool {
    if with_vm(|vm| vm.root_done(context)) != Some(true) {
        return true;
    }
    report(context);
    with_vm(|vm| vm.is_drained(context)) == Some(true)
}

/// Applies a configuration. An invalid one is logged; Envoy would close the listener's filter chain
/// if the plugin rejected it.
pub(super) fn on_configure(_root: u32, configuration_bytes: usize) {
    let bytes = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, configuration_bytes);
    let bytes = bytes.ok().flatten().unwrap_or_default();
    let location = location(&Properties::Current);
    let configured = with_vm(|vm| match vm.configure(&bytes, &location) {
        Ok(config) => Ok(config.tick_ms()),
        Err(error) => Err((error, vm.config().map(Config::tick_ms))),
    });
    let tick_ms = match configured {
        Some(Ok(tick_ms)) => {
            info("configured");
            Some(tick_ms)
        }
        Some(Err((error, tick_ms))) => {
            let consequence =
                if tick_ms.is_some() { "the previous one stays in force" } else { "nothing is recorded" };
            warn(&line!("the plugin configuration is not valid, ", consequence, ": ", error));
            tick_ms
        }
        None => None,
    };
    if let Some(tick_ms) = tick_ms {
        // Envoy fails only for a period of 0.
        let _ = hostcalls::set_tick_period(Duration::from_millis(tick_ms));
    }
}

/// Refreshes in-flight requests, sends due batches and updates the metrics.
pub(super) fn on_tick(root: u32) {
    drop_cancelled_calls(root);
    refresh_in_flight(root);
    report(root);
    metrics::update();
}

/// Applies the reply to a report.
pub(super) fn on_grpc_reply(root: u32, token: u32, status: u32, message_bytes: usize) {
    let message = match hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, message_bytes) {
        Ok(Some(message)) if status == 0 => message,
        _ => Vec::new(),
    };
    let reply = with_vm(|vm| vm.answered(token, status, &message, now_ms())).flatten();
    log::reply(status, reply);
    // The next full batch is sent without waiting for a tick. A failure started a pause, so that
    // this is not a tight loop.
    report(root);
    // After a failure no call is in flight: a root context that has ended does not wait for the
    // collector.
    if with_vm(|vm| vm.is_drained(root)) == Some(true) {
        abi::done();
    }
}

/// Drops the calls of root contexts that no longer exist. Envoy cancels the calls of a root context
/// that ends without a callback, unless it is the last one of its VM.
fn drop_cancelled_calls(root: u32) {
    for other in with_vm(|vm| vm.roots_awaiting_reply(root)).unwrap_or_default() {
        if hostcalls::set_effective_context(other).is_err() {
            with_vm(|vm| vm.root_gone(other));
        }
        let _ = hostcalls::set_effective_context(root);
    }
}

/// Refreshes long requests and open connections. A context that Envoy no longer knows ended without
/// a callback.
fn refresh_in_flight(root: u32) {
    let contexts = with_vm(|vm| vm.due_for_refresh(now_us())).unwrap_or_default();
    for context in &contexts {
        if hostcalls::set_effective_context(*context).is_ok() {
            with_vm(|vm| vm.refresh(*context, &Properties::InFlight, now_us()));
        } else {
            with_vm(|vm| vm.remove_in_flight(*context));
        }
    }
    if !contexts.is_empty() {
        let _ = hostcalls::set_effective_context(root);
    }
}

/// Dispatches the due batches. Stops at the first failure: Envoy delivers the failures of one tick
/// recursively, and thousands of them would exhaust its stack.
fn report(root: u32) {
    while let Some(Some((batch, config))) =
        with_vm(|vm| Some((vm.poll(&Properties::Current, now_ms())?, vm.config()?.clone())))
    {
        let Some(target) = grpc_service(&config.collector.cluster, &config.collector.authority) else {
            return;
        };
        let call = abi::grpc_call(
            target.as_bytes(),
            "hopscope.v1.Telemetry",
            "Report",
            &batch.message,
            config.timeout_ms,
        );
        let Some(token) = call else {
            let is_first = with_vm(|vm| vm.not_dispatched(batch.sequence, now_ms()));
            if is_first == Some(true) {
                warn(&line!(
                    "cannot report: Envoy has no cluster `",
                    config.collector.cluster,
                    "`, or no endpoint in it; records are kept, and folded when the buffer is full",
                ));
            }
            return;
        };
        with_vm(|vm| vm.dispatched(root, token, batch.sequence));
    }
}
