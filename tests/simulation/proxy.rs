//! A simulated proxy: its filter, and the calls in flight that Envoy holds for it.
//!
//! In: requests, ticks, answers. Out: messages.
//! Invariant: an answer reaches only the filter VM that made the call; every sent batch is
//! recorded.

use crate::envoy_attributes::{Ended, EnvoyAttributes, Pod};
use crate::ground_truth::Epoch;
use hopscope_filter::config::ProxyLocation;
use hopscope_filter::report::Reply;
use hopscope_filter::vm::Vm;
use std::collections::BTreeMap;

/// Root context of the plugin.
const ROOT: u32 = 1;

pub(crate) struct Proxy {
    pub(crate) pod: Pod,
    pub(crate) vm: Vm,
    /// Epoch of this filter VM.
    pub(crate) epoch: u64,
    /// Lead of its clock, microseconds.
    ahead_us: u64,
    calls: BTreeMap<u32, u64>,
    token: u32,
    context: u32,
}

impl Proxy {
    pub(crate) fn start(pod: Pod, epoch: u64, ahead_us: u64, configuration: &str) -> Self {
        let mut vm = Vm::new(epoch);
        vm.configure(configuration.as_bytes(), &ProxyLocation::default()).unwrap();
        Self { pod, vm, epoch, ahead_us, calls: BTreeMap::new(), token: 0, context: 0 }
    }

    fn clock_us(&self, now_us: u64) -> u64 {
        now_us + self.ahead_us
    }

    /// Begins and completes a request.
    pub(crate) fn see(&mut self, ended: &Ended, now_us: u64, epoch: &mut Epoch) {
        self.context += 1;
        self.vm.begin(self.context, ROOT);
        self.vm.observe(self.context, &EnvoyAttributes(&self.pod, Some(ended)), self.clock_us(now_us));
        epoch.see(ended.number);
    }

    /// Returns the next due message and the token of its call.
    pub(crate) fn poll(&mut self, now_us: u64, epoch: &mut Epoch) -> Option<(u32, Vec<u8>)> {
        let report = self.vm.poll(&EnvoyAttributes(&self.pod, None), self.clock_us(now_us) / 1_000)?;
        epoch.record_sent(report.sequence, &report.message);
        self.token += 1;
        self.calls.insert(self.token, report.sequence);
        self.vm.dispatched(ROOT, self.token, report.sequence);
        Some((self.token, report.message))
    }

    /// Ends a call.
    pub(crate) fn answer(&mut self, token: u32, status: u32, bytes: &[u8], now_us: u64, epoch: &mut Epoch) {
        let meant = self.vm.answered(token, status, bytes, self.clock_us(now_us) / 1_000);
        let sequence = self.calls.remove(&token);
        if let (Some((Reply::Refused(_), _)), Some(sequence)) = (meant, sequence) {
            epoch.refused(sequence);
        }
    }

    /// Removes the plugin with its calls; the VM stays.
    pub(crate) fn plugin_ends(&mut self) {
        self.vm.root_gone(ROOT);
        self.calls.clear();
    }

    /// Whether no request waits for the collector.
    pub(crate) fn is_quiet(&self) -> bool {
        self.vm.buffer().ledger.buffered() == 0 && self.vm.sender().unacknowledged() == 0
    }
}
