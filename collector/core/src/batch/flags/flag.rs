//! Response flag with its explanation.

/// Most frequent location of a flag's cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller, or a client of the caller.
    Caller,
    /// The called service.
    Callee,
    /// The network between caller and callee.
    Network,
    /// Routes, subsets, limits, policies.
    Configuration,
    /// The proxy itself.
    Proxy,
    /// A deliberate configuration, such as a fault rule or a limit.
    Deliberate,
}

impl Fault {
    /// Returns the location as text.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Caller => "the caller",
            Self::Callee => "the called service",
            Self::Network => "the network between the two",
            Self::Configuration => "the mesh configuration",
            Self::Proxy => "the proxy",
            Self::Deliberate => "none: it is configured behavior",
        }
    }
}

/// One response flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Bit number in the bitmap.
    pub bit: u32,
    /// Short name, as in access logs and labels.
    pub name: &'static str,
    /// Envoy's long name.
    pub long: &'static str,
    /// Description of the event.
    pub meaning: &'static str,
    /// Most frequent location of the cause.
    pub fault: Fault,
    /// First check for an operator.
    pub first: &'static str,
}
