//! Envoy's response flags with their meaning.
//!
//! In: the bitmap `response.flags`, or the short name of a flag.
//! Out: the label value, and an explanation for operators.
//! Invariant: an unknown bit is shown as `bit<N>`; a label names bits in rising order, so that a
//! set of flags has one spelling.
//!
//! Source: Envoy's `stream_info.h` (`CoreResponseFlag`) and the access log documentation. The
//! meanings in a mesh were observed on real Envoys.

mod flag;
mod table;

pub use flag::{Fault, Flag};
pub use table::FLAGS;

/// Returns the flag with a short name, ignoring case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name.eq_ignore_ascii_case(name.trim()))
}

/// Returns the label `response_flags`: short names separated by commas, or `-` for none.
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
    fn label_of_a_bitmap_has_one_spelling() {
        assert_eq!(label(0), "-");
        assert_eq!(label(1 << 8), "NR");
        assert_eq!(label(32_800), "UF,URX");
        assert_eq!(label(1 << 29 | 1 << 28), "DR,UDO");
        assert_eq!(label(1 << 63 | 1 << 1), "UH,bit63");
    }

    #[test]
    fn table_holds_every_flag_once() {
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
