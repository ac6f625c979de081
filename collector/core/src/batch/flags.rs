//! Every response flag of Envoy, explained.
//!
//! In: the bitmap `response.flags`, or a flag's short name. Out: the text of the label, and what an operator should know.
//! Always holds: a bit that is not known is shown as `bit<N>`, never left out; texts of a bitmap name bits in rising
//! order, so that a set of flags has one spelling.
//!
//! Source: Envoy's `stream_info.h` (`CoreResponseFlag`) and the access log documentation; what each means in a mesh was
//! seen on real Envoys.

mod table;

pub use table::FLAGS;

/// Where the cause of a flag lies most often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The one who called, or somebody before it.
    Caller,
    /// The one who was called.
    Callee,
    /// The way between the two.
    Network,
    /// Routes, subsets, limits, policies.
    Configuration,
    /// The proxy itself.
    Proxy,
    /// It was meant.
    Deliberate,
}

impl Fault {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Caller => "the caller",
            Self::Callee => "the called service",
            Self::Network => "the network between the two",
            Self::Configuration => "the mesh configuration",
            Self::Proxy => "the proxy",
            Self::Deliberate => "nobody: it was configured so",
        }
    }
}

/// One response flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Its place in the bitmap.
    pub bit: u32,
    /// As access logs and labels show it.
    pub name: &'static str,
    /// Envoy's long name.
    pub long: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// Where the cause lies most often.
    pub fault: Fault,
    /// What to check first.
    pub first: &'static str,
}

/// The flag with this short name, in any case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name.eq_ignore_ascii_case(name.trim()))
}

/// The label `response_flags`: short names with commas between, or `-` for none.
#[must_use]
pub fn label(bitmap: u64) -> String {
    if bitmap == 0 {
        return "-".to_owned();
    }
    let names = (0..u64::BITS).filter(|bit| bitmap >> bit & 1 == 1).map(|bit| {
        FLAGS
            .iter()
            .find(|flag| flag.bit == bit)
            .map_or_else(|| format!("bit{bit}"), |flag| flag.name.to_owned())
    });
    names.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::{FLAGS, find, label};

    #[test]
    fn a_bitmap_has_one_spelling() {
        assert_eq!(label(0), "-");
        assert_eq!(label(1 << 8), "NR");
        assert_eq!(label(32_800), "UF,URX");
        assert_eq!(label(1 << 29 | 1 << 28), "DR,UDO");
        assert_eq!(label(1 << 63 | 1 << 1), "UH,bit63");
    }

    #[test]
    fn the_table_is_complete_and_has_no_flag_twice() {
        let bits: Vec<u32> = FLAGS.iter().map(|flag| flag.bit).collect();
        assert_eq!(bits, (0..30).collect::<Vec<_>>());
        for flag in &FLAGS {
            assert_eq!(find(&flag.name.to_lowercase()), Some(flag));
            for text in [flag.meaning, flag.first] {
                assert!(text.ends_with('.') && text.len() > 20, "{}: {text}", flag.name);
            }
        }
        assert_eq!(find("XX"), None);
    }
}
