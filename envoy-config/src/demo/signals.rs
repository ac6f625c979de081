//! Signals, and what they mean.
//!
//! In: SIGINT, SIGTERM, SIGHUP. Out: the end of the traffic, or of everything.
//! Always: the first Ctrl-C during traffic ends only that, so that its outcome is shown; everything else ends
//! the demo at once, with the exit code that a shell gives.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, Notify};

/// A shell's exit code for a program that a signal ended.
const BY_SIGNAL: u8 = 128;

/// The signals of this process.
#[derive(Debug)]
pub(super) struct Interrupts {
    signals: Mutex<Signals>,
    traffic: AtomicBool,
    enough: Notify,
}

#[derive(Debug)]
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    pub(super) fn listen() -> Result<Self> {
        let signals = Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        };
        Ok(Self { signals: Mutex::new(signals), traffic: AtomicBool::new(false), enough: Notify::new() })
    }

    /// Waits for the first Ctrl-C; from now on that ends the traffic only.
    pub(super) async fn enough(&self) {
        self.traffic.store(true, Ordering::Relaxed);
        self.enough.notified().await;
    }

    /// Waits for a signal that ends everything, and gives back the exit code.
    pub(super) async fn at_once(&self) -> ExitCode {
        let mut signals = self.signals.lock().await;
        let signal = loop {
            let Signals { interrupt, terminate, hang_up } = &mut *signals;
            tokio::select! {
                _ = interrupt.recv() => {
                    if !self.traffic.swap(false, Ordering::Relaxed) {
                        break SignalKind::interrupt();
                    }
                    self.enough.notify_one();
                }
                _ = terminate.recv() => break SignalKind::terminate(),
                _ = hang_up.recv() => break SignalKind::hangup(),
            }
        };
        ExitCode::from(BY_SIGNAL + u8::try_from(signal.as_raw_value()).unwrap_or_default())
    }
}
