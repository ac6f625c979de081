//! The location of a mesh: namespaces of its own, or the loopback of this machine.
//!
//! In: the option of `up`.
//! Out: addresses.
//! Invariant: every command uses the same location, since it is stored with the running mesh.
//!
//! On loopback no traffic is captured, since that needs root: each workload has an address of
//! 127.77.0.0/16, and applications get the address of their outbound listener. etcd, the API server
//! and istiod have their usual ports on an address of their own.

use super::run;
use std::str::FromStr;

/// The location of a mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// Kernel namespaces, with pods that istiod's webhook injected.
    Namespaces,
    /// This machine's loopback, `interceptionMode: NONE`.
    Loopback,
}

impl Site {
    /// Returns the location of the running mesh, or of the one that is being started.
    pub(super) fn here() -> Self {
        let known = std::fs::read_to_string(file()).ok();
        known.and_then(|name| name.parse().ok()).unwrap_or(Self::Namespaces)
    }

    /// Stores the location for the commands that follow.
    pub(super) fn save(self) -> anyhow::Result<()> {
        std::fs::create_dir_all(run::folder())?;
        Ok(std::fs::write(file(), self.name())?)
    }

    /// The name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Loopback => "loopback",
        }
    }

    /// The address where proxies reach istiod.
    pub(super) fn control_plane(self) -> &'static str {
        match self {
            Self::Namespaces => "10.244.0.1",
            Self::Loopback => "127.77.0.1",
        }
    }

    /// The address where the operator reaches istiod, etcd and the API server.
    pub(super) fn operator(self) -> &'static str {
        match self {
            Self::Namespaces => "127.0.0.1",
            Self::Loopback => "127.77.0.1",
        }
    }

    /// The address that istiod binds; empty for all addresses.
    pub(super) fn bind(self) -> &'static str {
        match self {
            Self::Namespaces => "",
            Self::Loopback => "127.77.0.1",
        }
    }

    /// The address of the collector.
    pub(super) fn collector(self) -> &'static str {
        match self {
            Self::Namespaces => "10.244.0.10",
            Self::Loopback => "127.77.0.10",
        }
    }

    /// The address of the ingress gateway, which listens on port 8080.
    pub(super) fn gateway(self) -> &'static str {
        match self {
            Self::Namespaces => "10.244.0.11",
            Self::Loopback => "127.77.0.11",
        }
    }
}

impl FromStr for Site {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = [Self::Namespaces, Self::Loopback].into_iter().find(|site| site.name() == name);
        known.ok_or_else(|| format!("there is no site {name}"))
    }
}

fn file() -> std::path::PathBuf {
    run::folder().join("site")
}
