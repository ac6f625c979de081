//! Addresses and ports on loopback.
//!
//! Out: an unused block `127.a.b.0/24`, and free ports near the usual ones.
//! Invariant: a block belongs to one mesh until its [`Block`] is dropped; no port is an ephemeral
//! one, so no outgoing connection uses it between the choice and its use.

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context as _, Result};

/// Bound on the first address of a block for as long as the block is in use.
const CLAIM_PORT: u16 = 15999;

/// Blocks tried before giving up; there are 64,516.
const BLOCKS_TRIED_MAX: usize = 64;

/// Ports tried before giving up.
const PORTS_TRIED_MAX: u16 = 500;

/// Linux's default, where the kernel gives no range.
const EPHEMERAL_FIRST_DEFAULT: u16 = 32768;

/// An exclusive block of 256 loopback addresses.
#[derive(Debug)]
pub struct Block {
    first: Ipv4Addr,
    _claim: TcpListener,
}

impl Block {
    /// Claims a random block.
    ///
    /// # Errors
    /// When all tried blocks are in use.
    pub fn claim() -> Result<Self> {
        let mut refusal = None;
        for _ in 0..BLOCKS_TRIED_MAX {
            let first = Ipv4Addr::new(127, random_byte(), random_byte(), 1);
            match TcpListener::bind((first, CLAIM_PORT)) {
                Ok(claim) => return Ok(Self { first, _claim: claim }),
                Err(error) => refusal = Some(error),
            }
        }
        let refusal = refusal.map_or_else(|| anyhow::anyhow!("none tried"), anyhow::Error::from);
        Err(refusal.context(format!("found no free block of loopback addresses in {BLOCKS_TRIED_MAX}")))
    }

    /// Address with this last byte.
    pub fn address(&self, host: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.first.octets();
        Ipv4Addr::new(a, b, c, host)
    }
}

/// Returns the preferred port when it is free, else the next free one.
///
/// # Errors
/// When none of the next 500 is free and below the ephemeral range.
pub fn free_port(address: impl Into<IpAddr>, preferred: u16) -> Result<u16> {
    let address = address.into();
    let end = preferred.saturating_add(PORTS_TRIED_MAX).min(ephemeral_first());
    let free = |port: &u16| TcpListener::bind(SocketAddr::new(address, *port)).is_ok();
    (preferred..end).find(free).with_context(|| format!("found no free port from {address}:{preferred} on"))
}

/// Returns a random free port of 127.0.0.1, so that parallel processes choose different ones.
///
/// # Errors
/// As [`free_port`].
pub fn free_local_port() -> Result<u16> {
    let offset = u16::from(random_byte()) * 40 + u16::from(random_byte()) % 40;
    free_port(Ipv4Addr::LOCALHOST, 20_000 + offset)
}

/// Random number in 1..=254.
fn random_byte() -> u8 {
    // Each RandomState has another seed: random enough to avoid conflicts, and no dependency.
    let drawn = RandomState::new().build_hasher().finish() % 254;
    u8::try_from(drawn).unwrap_or_default() + 1
}

fn ephemeral_first() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = range.split_whitespace().next().and_then(|first| first.parse().ok());
    first.unwrap_or(EPHEMERAL_FIRST_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_skipped() {
        let block = Block::claim().unwrap();
        let address = block.address(2);
        let preferred = free_port(address, 8080).unwrap();
        let _taken = TcpListener::bind((address, preferred)).unwrap();
        assert!(free_port(address, preferred).unwrap() > preferred);
        assert!(free_port(address, 65_000).is_err(), "an ephemeral port was chosen");
    }

    #[test]
    fn two_blocks_differ() {
        let (one, other) = (Block::claim().unwrap(), Block::claim().unwrap());
        assert_ne!(one.address(2), other.address(2));
        assert!(one.address(2).is_loopback());
    }
}
