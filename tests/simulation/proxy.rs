//! A proxy: its filter, and the calls that Envoy holds for it.
//!
//! In: requests, ticks, answers. Out: messages. Always holds: an answer reaches the life of the filter that called, or
//! nobody; what leaves is noted.

use crate::envoy_attributes::{Ended, Said, Site};
use crate::ground_truth::Epoch;
use hopscope_filter::config::Place;
use hopscope_filter::reply::Reply;
use hopscope_filter::vm::Vm;
use std::collections::BTreeMap;

/// The plugin whose calls these are.
const ROOT: u32 = 1;

pub(crate) struct Proxy {
    pub(crate) site: Site,
    pub(crate) vm: Vm,
    /// Number of this life, which is the epoch, too.
    pub(crate) epoch: u64,
    /// How far its clock is ahead, microseconds.
    ahead_us: u64,
    calls: BTreeMap<u32, u64>,
    token: u32,
    context: u32,
}

impl Proxy {
    pub(crate) fn start(site: Site, epoch: u64, ahead_us: u64, configuration: &str) -> Self {
        let mut vm = Vm::new(epoch);
        vm.configure(configuration.as_bytes(), &ProxyLocation::default()).unwrap();
        Self { site, vm, epoch, ahead_us, calls: BTreeMap::new(), token: 0, context: 0 }
    }

    fn clock_us(&self, now_us: u64) -> u64 {
        now_us + self.ahead_us
    }

    /// A request begins and ends.
    pub(crate) fn see(&mut self, ended: &Ended, now_us: u64, epoch: &mut Epoch) {
        self.context += 1;
        self.vm.begin(self.context, ROOT);
        self.vm.observe(self.context, &Said(&self.site, Some(ended)), self.clock_us(now_us));
        epoch.see(ended.number);
    }

    /// The next message that leaves now, and the token of its call.
    pub(crate) fn poll(&mut self, now_us: u64, epoch: &mut Epoch) -> Option<(u32, Vec<u8>)> {
        let report = self.vm.poll(&Said(&self.site, None), self.clock_us(now_us) / 1_000)?;
        epoch.tell(report.sequence, &report.message);
        self.token += 1;
        self.calls.insert(self.token, report.sequence);
        self.vm.dispatched(ROOT, self.token, report.sequence);
        Some((self.token, report.message))
    }

    /// A call ended.
    pub(crate) fn answer(&mut self, token: u32, status: u32, bytes: &[u8], now_us: u64, epoch: &mut Epoch) {
        let meant = self.vm.answered(token, status, bytes, self.clock_us(now_us) / 1_000);
        let sequence = self.calls.remove(&token);
        if let (Some((Reply::Refused(_), _)), Some(sequence)) = (meant, sequence) {
            epoch.refused(sequence);
        }
    }

    /// The plugin goes away with its calls, and the VM stays.
    pub(crate) fn plugin_ends(&mut self) {
        self.vm.root_gone(ROOT);
        self.calls.clear();
    }

    /// Whether nothing waits for the collector.
    pub(crate) fn is_quiet(&self) -> bool {
        self.vm.buffer().ledger.buffered() == 0 && self.vm.sender().unacknowledged() == 0
    }
}
