//! Number of calls that an application makes for one request.
//!
//! In: the header `x-calls`, which applications pass on. Out: a [`Repeat`].
//! Invariant: one call without the header; all calls for one request have its request id.

/// Request header with the number of calls.
pub const HEADER: &str = "x-calls";

/// Number and order of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Repeat {
    /// One call.
    #[default]
    Once,
    /// Two calls, the second after the answer to the first.
    InTurn,
    /// Two parallel calls.
    Together,
}

impl Repeat {
    /// Value of the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::InTurn => "twice",
            Self::Together => "twice-at-once",
        }
    }

    /// Parses the value of the header; one call for an unknown value.
    pub fn of(name: &[u8]) -> Self {
        let all = [Self::InTurn, Self::Together];
        all.into_iter().find(|repeat| repeat.name().as_bytes() == name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Repeat;

    #[test]
    fn names_are_read_back() {
        for repeat in [Repeat::Once, Repeat::InTurn, Repeat::Together] {
            assert_eq!(Repeat::of(repeat.name().as_bytes()), repeat);
        }
        assert_eq!(Repeat::of(b"often"), Repeat::Once);
    }
}
