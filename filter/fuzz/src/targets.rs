//! The bodies of the fuzz targets, which the test over the corpus runs too.
//!
//! A panic is a defect. Invariant: a target is a function of its input.

use hopscope_filter::attributes::Expression;
use hopscope_filter::attributes::{Attribute, Attributes};
use hopscope_filter::config::{Config, ProxyLocation};
use hopscope_filter::vm::Vm;
use std::cell::Cell;

/// A valid configuration with small limits.
const CONFIGURATION: &[u8] =
    br#"{"collector": {"cluster": "c"}, "limits": {"buffer_bytes_max": 4096, "fold_rows_max": 3}}"#;
/// The most steps of one input.
const STEPS_MAX: usize = 400;

/// Parses a plugin configuration.
pub(crate) fn config(bytes: &[u8]) {
    let location = ProxyLocation { workload: "shop/payments".to_owned(), ..ProxyLocation::default() };
    match Config::parse(bytes, &location) {
        Ok(config) => assert!((50..=1_000).contains(&config.tick_ms())),
        Err(error) => assert!(!error.is_empty() && !error.contains('\n') || bytes.contains(&b'\n')),
    }
}

/// A proxy with arbitrary values: each read returns the next bytes of the input, or nothing.
struct ArbitraryProxy<'a> {
    bytes: Cell<&'a [u8]>,
}

impl<'a> ArbitraryProxy<'a> {
    /// Returns as many bytes as the next byte says; nothing where that byte is 255.
    fn next(&self) -> Option<&'a [u8]> {
        let (length, rest) = self.bytes.get().split_first()?;
        let (value, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        self.bytes.set(rest);
        (*length < 255).then_some(value)
    }

    fn number(&self) -> Option<u8> {
        let (number, rest) = self.bytes.get().split_first()?;
        self.bytes.set(rest);
        Some(*number)
    }
}

impl Attributes for ArbitraryProxy<'_> {
    fn bytes(&self, _: Attribute) -> Option<Vec<u8>> {
        self.next().map(<[u8]>::to_vec)
    }

    fn evaluate(&self, _: Expression) -> Option<Vec<u8>> {
        self.next().map(<[u8]>::to_vec)
    }
}

/// Runs one VM: requests, connections, refreshes, reports, replies and configurations.
pub(crate) fn vm(bytes: &[u8]) {
    let envoy = ArbitraryProxy { bytes: Cell::new(bytes) };
    let mut vm = Vm::new(7);
    assert!(vm.configure(CONFIGURATION, &ProxyLocation::default()).is_ok());
    let (mut now_us, mut token) = (1_700_000_000_000_000, 0);
    for _ in 0..STEPS_MAX {
        let Some(step) = envoy.number() else { break };
        let context = 2 + u32::from(step >> 4);
        now_us += u64::from(step) * 10_000;
        match step & 15 {
            0..=2 => {
                vm.begin(context, 1);
            }
            3 => vm.connect(context),
            4..=7 => vm.observe(context, &envoy, now_us),
            8 => {
                for context in vm.due_for_refresh(now_us) {
                    vm.refresh(context, &envoy, now_us);
                }
            }
            9 => vm.remove_in_flight(context),
            10 | 11 => {
                if let Some(report) = vm.poll(&envoy, now_us / 1_000) {
                    token += 1;
                    vm.dispatched(1, token, report.sequence);
                }
            }
            12 | 13 => {
                let message = envoy.next().unwrap_or_default();
                let status = u32::from(step >> 6);
                vm.answered(token, status, message, now_us / 1_000);
            }
            14 => {
                let _ = vm.configure(envoy.next().unwrap_or_default(), &ProxyLocation::default());
            }
            _ => vm.root_gone(1),
        }
        assert!(vm.buffer().ledger.balances());
    }
}
