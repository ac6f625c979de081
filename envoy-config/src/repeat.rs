//! How often applications call for one request.
//!
//! In: the header `x-calls`; applications pass it on. Out: a [`Repeat`].
//! Always: without the header, once; all calls for one request carry its request id, as applications do it that pass ids on.

/// The request header that says so.
pub const HEADER: &str = "x-calls";

/// How often, and whether one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Repeat {
    /// One call.
    #[default]
    Once,
    /// Two, the second after the answer to the first.
    InTurn,
    /// Two at a time.
    Together,
}

impl Repeat {
    /// As the header says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::InTurn => "twice",
            Self::Together => "twice-at-once",
        }
    }

    /// What a header says; once for what is not known.
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
