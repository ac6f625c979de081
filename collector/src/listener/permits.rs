//! Permits of connections, in total and for each address.
//!
//! Invariant: the permit of a connection is released when its socket closes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Limits of open connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections in total.
    pub(crate) max: u64,
    /// Connections from one address.
    pub(crate) address_max: u64,
}

/// Permits of all connections.
#[derive(Debug)]
pub(crate) struct ConnectionPermits {
    open: Arc<AtomicU64>,
    by_address: Mutex<HashMap<IpAddr, u64>>,
}

/// Reason why no permit is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PermitError {
    Full,
    AddressFull,
}

impl ConnectionPermits {
    /// Returns permits. `open`: gauge of the permits in use.
    pub(crate) fn new(open: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Self { open, by_address: Mutex::new(HashMap::new()) })
    }

    /// Acquires a permit for a connection from `address`.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        address: IpAddr,
        limits: &Limits,
    ) -> Result<ConnectionPermit, PermitError> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if self.open.load(Ordering::Relaxed) >= limits.max {
            return Err(PermitError::Full);
        }
        let open = by_address.entry(address).or_default();
        if *open >= limits.address_max {
            return Err(PermitError::AddressFull);
        }
        *open += 1;
        self.open.fetch_add(1, Ordering::Relaxed);
        Ok(ConnectionPermit { permits: self.clone(), address })
    }
}

/// Permit of one connection; released when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    permits: Arc<ConnectionPermits>,
    address: IpAddr,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut by_address = self.permits.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        self.permits.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(open) = by_address.get_mut(&self.address) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}
