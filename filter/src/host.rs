//! The door to Envoy, and the only module that names `proxy_wasm`.
//!
//! In: the callbacks of a Wasm VM. Out: host calls. Always holds: nothing here panics, whatever Envoy says, since a
//! trap would silence the VM and break the streams in flight; every request continues untouched.

mod abi;
mod properties;
mod log;
mod metrics;

use crate::config::Config;
use crate::report::collector_target::grpc_service;
use crate::report::identity;
use crate::text::format::line;
use crate::vm::Vm;
use log::{info, warn};
use properties::Properties;
use proxy_wasm::hostcalls;
use proxy_wasm::types::BufferType;
use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

// Of the SDK's entry points only the first one is left: it runs the constructors of the C library.
proxy_wasm::main! {{}}

thread_local! {
    /// All plugins of a VM (inbound, outbound) share it: Envoy runs a VM on one thread.
    static VM: RefCell<Vm> = RefCell::new(Vm::new(RandomState::new().build_hasher().finish()));
}

/// A tenth of the code of the C library's, which V8 would compile in each proxy.
#[global_allocator]
static MEMORY: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// Runs `f` on the VM's state. The state is never borrowed across a host call that may call back, so that `None` is
/// only a guard against a panic.
fn with_vm<T>(f: impl FnOnce(&mut Vm) -> T) -> Option<T> {
    VM.with(|vm| vm.try_borrow_mut().ok().map(|mut vm| f(&mut vm)))
}

/// Microseconds since the Unix epoch.
fn now_us() -> u64 {
    abi::now_ns() / 1_000
}

fn now_ms() -> u64 {
    abi::now_ns() / 1_000_000
}

/// A request begins, or (`root` is 0) a plugin: one per configuration in a VM.
fn on_context_create(context: u32, root: u32) {
    if root == 0 {
        with_vm(|vm| vm.root_created(context));
    } else if with_vm(|vm| vm.begin(context, root)) == Some(true) {
        // Two of three VMs never see a request: the one that tries a configuration out, and that of the main thread.
        let hop_header = with_vm(|vm| vm.config().map(|config| config.hop_header.clone())).flatten();
        properties::compile(&hop_header.unwrap_or_default());
    }
}

/// What just began is a TCP connection. Envoy enters the VM here for connections only, and only those of a NETWORK plugin.
fn on_connection(context: u32) {
    with_vm(|vm| vm.connect(context));
}

/// A request has ended, or a connection was closed. This is called exactly once for each, for refused ones too.
fn on_log(context: u32) {
    with_vm(|vm| vm.observe(context, &Properties::Current, now_us()));
}

/// A request, a connection or a plugin is done. The last plugin of a VM asks to be kept until what waits has been answered
/// for: this is what a replaced module would else lose. Returns whether Envoy may delete it.
fn on_done(context: u32) -> bool {
    if with_vm(|vm| vm.root_done(context)) != Some(true) {
        return true;
    }
    report(context);
    with_vm(|vm| vm.is_drained(context)) == Some(true)
}

fn on_configure(_root: u32, configuration_bytes: usize) {
    let bytes = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, configuration_bytes);
    let bytes = bytes.ok().flatten().unwrap_or_default();
    let place = identity::place(&Properties::Current);
    let configured = with_vm(|vm| match vm.configure(&bytes, &place) {
        Ok(config) => Ok(config.tick_ms()),
        // A plugin that Envoy refuses would close its listener's filter chain. So a bad configuration is told to
        // the operator and never to the traffic.
        Err(line) => Err((line, vm.config().map(Config::tick_ms))),
    });
    let tick_ms = match configured {
        Some(Ok(tick_ms)) => {
            info("configured");
            Some(tick_ms)
        }
        Some(Err((line, in_force))) => {
            let consequence =
                if in_force.is_some() { "the one before stays in force" } else { "nothing is recorded" };
            warn(&line!("the plugin configuration is not valid, ", consequence, ": ", line));
            in_force
        }
        None => None,
    };
    if let Some(tick_ms) = tick_ms {
        // The only failure that Envoy knows here is a period of no time.
        let _ = hostcalls::set_tick_period(Duration::from_millis(tick_ms));
    }
}

fn on_tick(root: u32) {
    drop_cancelled_calls(root);
    refresh_in_flight(root);
    report(root);
    metrics::tell();
}

fn on_grpc_answer(root: u32, token: u32, status: u32, message_bytes: usize) {
    let message = match hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, message_bytes) {
        Ok(Some(message)) if status == 0 => message,
        _ => Vec::new(),
    };
    let answer = with_vm(|vm| vm.answered(token, status, &message, now_ms())).flatten();
    log::answer(status, answer);
    // The next waiting batch need not wait for a tick; a failure armed a pause, so this is no tight circle.
    report(root);
    // After a failure nothing is under way: who leaves does not wait for the collector to come back.
    if with_vm(|vm| vm.is_drained(root)) == Some(true) {
        abi::done();
    }
}

/// Envoy cancels the calls of a plugin that goes away and is not the last of its VM, without a word for each call. So whoever
/// ticks asks whether those that wait for an answer are still there.
fn drop_cancelled_calls(root: u32) {
    for other in with_vm(|vm| vm.roots_awaiting_reply(root)).unwrap_or_default() {
        if hostcalls::set_effective_context(other).is_err() {
            with_vm(|vm| vm.root_gone(other));
        }
        let _ = hostcalls::set_effective_context(root);
    }
}

/// Asks Envoy about requests that do not end, and about connections. What it does not know any more ended without a word.
fn refresh_in_flight(root: u32) {
    let contexts = with_vm(|vm| vm.due_for_refresh(now_us())).unwrap_or_default();
    for context in &contexts {
        if hostcalls::set_effective_context(*context).is_ok() {
            with_vm(|vm| vm.refresh(*context, &Properties::InFlight, now_us()));
        } else {
            with_vm(|vm| vm.gone(*context));
        }
    }
    if !contexts.is_empty() {
        let _ = hostcalls::set_effective_context(root);
    }
}

/// Dispatches what is due. Stops at the first refusal: Envoy delivers the failures of one tick recursively, and
/// thousands of them would exhaust its stack.
fn report(root: u32) {
    while let Some(Some((report, config))) =
        with_vm(|vm| Some((vm.poll(&Properties::Current, now_ms())?, vm.config()?.clone())))
    {
        let Some(upstream) = grpc_service(&config.collector.cluster, &config.collector.authority) else {
            return;
        };
        let call = abi::grpc_call(
            upstream.as_bytes(),
            "hopscope.v1.Telemetry",
            "Report",
            &report.message,
            config.timeout_ms,
        );
        let Some(token) = call else {
            let first = with_vm(|vm| vm.not_dispatched(report.sequence, now_ms()));
            if first == Some(true) {
                warn(&line!(
                    "cannot report: Envoy has no cluster `",
                    config.collector.cluster,
                    "`, or no endpoint in it; records are kept, and folded when the buffer is full",
                ));
            }
            return;
        };
        with_vm(|vm| vm.dispatched(root, token, report.sequence));
    }
}
