//! Signal handling of the demo.
//!
//! In: SIGINT, SIGTERM, SIGHUP. Out: the end of the traffic, or of everything.
//! Invariant: the first Ctrl-C during traffic ends the traffic only, so that the demo prints its
//! results; any other signal ends the demo at once, with a shell's exit code.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, Notify};

/// Base of a shell's exit code after a signal.
const BY_SIGNAL: u8 = 128;

/// The signals of this process.
#[derive(Debug)]
pub(super) struct SignalHandler {
    signals: Mutex<Signals>,
    traffic: AtomicBool,
    stop: Notify,
}

#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl SignalHandler {
    pub(super) fn listen() -> Result<Self> {
        let signals = Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        };
        Ok(Self { signals: Mutex::new(signals), traffic: AtomicBool::new(false), stop: Notify::new() })
    }

    /// Waits for the first Ctrl-C, which ends the traffic only.
    pub(super) async fn stop_requested(&self) {
        self.traffic.store(true, Ordering::Relaxed);
        self.stop.notified().await;
    }

    /// Waits for a signal that ends the demo and returns the exit code.
    pub(super) async fn terminated(&self) -> ExitCode {
        let mut signals = self.signals.lock().await;
        let signal = loop {
            let Signals { interrupt, terminate, hang_up } = &mut *signals;
            tokio::select! {
                _ = interrupt.recv() => {
                    if !self.traffic.swap(false, Ordering::Relaxed) {
                        break SignalKind::interrupt();
                    }
                    self.stop.notify_one();
                }
                _ = terminate.recv() => break SignalKind::terminate(),
                _ = hang_up.recv() => break SignalKind::hangup(),
            }
        };
        ExitCode::from(BY_SIGNAL + u8::try_from(signal.as_raw_value()).unwrap_or_default())
    }
}
