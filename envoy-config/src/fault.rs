//! Faults of the mesh, by name.
//!
//! In: a name, from the header `x-fault`, the topology or a command line. Out: a [`Fault`].
//! Invariant: a name is the resulting response flag, except for `DISAGREE`, `RESCUED`, `CUT` and
//! `SEVERED`, which only both sides of one hop together show.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};
use serde::{Deserialize, Serialize};

/// Request header with the name of a fault; applications pass it on.
pub const HEADER: &str = "x-fault";

/// A fault with a real cause in the mesh, which the topology defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Fault {
    /// No route matches.
    Nr,
    /// The route's cluster does not exist.
    Nc,
    /// The cluster has no healthy endpoint.
    Uh,
    /// The connection pool is full.
    Uo,
    /// The route's timeout passed.
    Ut,
    /// The connection was refused.
    Uf,
    /// All retries failed.
    Urx,
    /// The client disconnected.
    Dc,
    /// The server closed the connection without an answer.
    Uc,
    /// The source reports a timeout, the destination reports 200.
    Disagree,
    /// The first attempt failed, the second did not.
    Rescued,
    /// The connection between the two proxies broke after the answer was sent.
    Cut,
    /// The connection between the two proxies broke before the answer was sent.
    Severed,
}

impl Fault {
    /// All faults, in the order of the topology.
    pub const ALL: [Self; 13] = [
        Self::Nr,
        Self::Nc,
        Self::Uh,
        Self::Uo,
        Self::Ut,
        Self::Uf,
        Self::Urx,
        Self::Dc,
        Self::Uc,
        Self::Disagree,
        Self::Rescued,
        Self::Cut,
        Self::Severed,
    ];

    /// Name in the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nr => "NR",
            Self::Nc => "NC",
            Self::Uh => "UH",
            Self::Uo => "UO",
            Self::Ut => "UT",
            Self::Uf => "UF",
            Self::Urx => "URX",
            Self::Dc => "DC",
            Self::Uc => "UC",
            Self::Disagree => "DISAGREE",
            Self::Rescued => "RESCUED",
            Self::Cut => "CUT",
            Self::Severed => "SEVERED",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match Self::ALL.into_iter().find(|fault| fault.name() == name) {
            Some(fault) => Ok(fault),
            None => bail!("no fault is named {name:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse::<Fault>().unwrap(), fault);
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
        assert!("nr".parse::<Fault>().is_err());
    }
}
