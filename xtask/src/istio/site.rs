//! Where a mesh is: in namespaces of its own, or on the loopback of this machine.
//!
//! In: what `up` was told. Out: the addresses that everybody needs. Always holds: of a mesh that runs, every command gives the
//! same answer, since it stands on disk beside it.
//!
//! On loopback nobody needs root, and so nothing is captured: each workload has an address of 127.77.0.0/16, applications are
//! told where their way out is, and the ports of etcd, API server and istiod are the usual ones on an address of their own.

use super::run;
use std::str::FromStr;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// Namespaces of the kernel, pods that istiod's webhook injected.
    Namespaces,
    /// This machine's loopback, `interceptionMode: NONE`.
    Loopback,
}

impl Site {
    /// Where the mesh is that runs or is about to.
    pub(super) fn here() -> Self {
        let known = std::fs::read_to_string(file()).ok();
        known.and_then(|name| name.parse().ok()).unwrap_or(Self::Namespaces)
    }

    /// Keeps it for the commands that follow.
    pub(super) fn save(self) -> anyhow::Result<()> {
        std::fs::create_dir_all(run::folder())?;
        Ok(std::fs::write(file(), self.name())?)
    }

    /// As the command line calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Loopback => "loopback",
        }
    }

    /// Where proxies reach istiod.
    pub(super) fn control_plane(self) -> &'static str {
        match self {
            Self::Namespaces => "10.244.0.1",
            Self::Loopback => "127.77.0.1",
        }
    }

    /// Where istiod, etcd and the API server answer those who run them.
    pub(super) fn operator(self) -> &'static str {
        match self {
            Self::Namespaces => "127.0.0.1",
            Self::Loopback => "127.77.0.1",
        }
    }

    /// What istiod binds: in a machine of its own everything.
    pub(super) fn bind(self) -> &'static str {
        match self {
            Self::Namespaces => "",
            Self::Loopback => "127.77.0.1",
        }
    }

    /// Where the collector answers questions.
    pub(super) fn collector(self) -> &'static str {
        match self {
            Self::Namespaces => "10.244.0.10",
            Self::Loopback => "127.77.0.10",
        }
    }

    /// Where the ingress gateway listens, on port 8080.
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
