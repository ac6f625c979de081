//! The faults that the mesh can cause, by name.
//!
//! In: a name, from the header `x-fault`, the topology or a command line. Out: a [`Fault`].
//! Always: each name is the flag that the fault brings forth, but for `DISAGREE`, `RESCUED`, `CUT` and `SEVERED`, where
//! only the two sides of one hop together tell what happened.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};
use serde::{Deserialize, Serialize};

/// The request header that chooses a fault; applications pass it on.
pub const HEADER: &str = "x-fault";

/// A fault with a real cause somewhere in the mesh; the topology says which.
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
    /// The client left.
    Dc,
    /// The server closed the connection without an answer.
    Uc,
    /// The source says timeout, the destination says 200.
    Disagree,
    /// The first attempt failed, the second did not.
    Rescued,
    /// The connection between the two proxies broke before the answer was there.
    Cut,
    /// It broke while the destination worked.
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

    /// The name, as the header carries it.
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
