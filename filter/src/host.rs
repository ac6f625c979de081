//! The door to Envoy, and the only module that names `proxy_wasm`.
//!
//! In: the callbacks of a Wasm VM. Out: host calls. Always holds: nothing here panics, whatever Envoy says, since a
//! trap would silence the VM and break the streams in flight; every request continues untouched.

mod properties;
mod log;

use crate::upstream::grpc_service;
use crate::vm::Vm;
use log::{info, warn};
use properties::Properties;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};
use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, UNIX_EPOCH};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|id| Box::new(Root { id }));
}}

thread_local! {
    /// All plugins of a VM (inbound, outbound) share it: Envoy runs a VM on one thread.
    static VM: RefCell<Vm> = RefCell::new(Vm::new(RandomState::new().build_hasher().finish()));
}

/// Runs `f` on the VM's state. The state is never borrowed across a host call that may call back, so that `None` is
/// only a guard against a panic.
fn with_vm<T>(f: impl FnOnce(&mut Vm) -> T) -> Option<T> {
    VM.with(|vm| vm.try_borrow_mut().ok().map(|mut vm| f(&mut vm)))
}

/// Microseconds since the Unix epoch.
fn now_us() -> u64 {
    let since = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_micros()).ok()).unwrap_or(0)
}

/// A plugin: one per configuration in a VM.
struct Root {
    id: u32,
}

impl Drop for Root {
    fn drop(&mut self) {
        with_vm(|vm| vm.root_gone(self.id));
    }
}

impl Root {
    /// Dispatches what is due. Stops at the first refusal: Envoy delivers the failures of one tick recursively, and
    /// thousands of them would exhaust its stack.
    fn report(&self) {
        while let Some(Some((report, config))) =
            with_vm(|vm| Some((vm.poll(&Properties, now_us() / 1_000)?, vm.config()?.clone())))
        {
            let Some(upstream) = grpc_service(&config.collector.cluster, &config.collector.authority) else {
                return;
            };
            let timeout = Duration::from_millis(config.timeout_ms);
            let message = Some(report.message.as_slice());
            let call = hostcalls::dispatch_grpc_call(
                &upstream,
                "hopscope.v1.Telemetry",
                "Report",
                Vec::new(),
                message,
                timeout,
            );
            let Ok(token) = call else {
                let first = with_vm(|vm| vm.not_dispatched(report.sequence, now_us() / 1_000));
                if first == Some(true) {
                    warn(&format!(
                        "cannot report: Envoy has no cluster `{}`, or no endpoint in it; records are kept, and \
                         folded when the buffer is full",
                        config.collector.cluster
                    ));
                }
                return;
            };
            with_vm(|vm| vm.dispatched(self.id, token, report.sequence));
        }
    }
}

impl Context for Root {
    fn on_grpc_call_response(&mut self, token_id: u32, status_code: u32, response_size: usize) {
        let message = match hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, response_size) {
            Ok(Some(message)) if status_code == 0 => message,
            _ => Vec::new(),
        };
        let answer = with_vm(|vm| vm.answered(token_id, status_code, &message, now_us() / 1_000)).flatten();
        log::answer(status_code, answer);
        // The next waiting batch need not wait for a tick; a failure armed a pause, so this is no tight circle.
        self.report();
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let bytes = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX);
        let bytes = bytes.ok().flatten().unwrap_or_default();
        let configured = with_vm(|vm| match vm.configure(&bytes) {
            Ok(config) => Ok(config.report_interval_ms),
            // A plugin that Envoy refuses would close its listener's filter chain. So a bad configuration is told to
            // the operator and never to the traffic.
            Err(line) => Err((line, vm.config().map(|config| config.report_interval_ms))),
        });
        let interval_ms = match configured {
            Some(Ok(interval_ms)) => {
                info("configured");
                Some(interval_ms)
            }
            Some(Err((line, in_force))) => {
                let consequence =
                    if in_force.is_some() { "the one before stays in force" } else { "nothing is recorded" };
                warn(&format!("the plugin configuration is not valid, {consequence}: {line}"));
                in_force
            }
            None => None,
        };
        if let Some(interval_ms) = interval_ms {
            // The only failure that Envoy knows here is a period of no time.
            let _ = hostcalls::set_tick_period(Duration::from_millis(interval_ms));
        }
        true
    }

    fn on_tick(&mut self) {
        self.report();
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// A request. Everything happens when it has ended: that is called exactly once, for refused requests too.
struct Request;

impl Context for Request {}

impl HttpContext for Request {
    fn on_log(&mut self) {
        with_vm(|vm| vm.observe(&Properties, now_us()));
    }
}
