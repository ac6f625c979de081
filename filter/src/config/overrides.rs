//! Other values for parts of the mesh, in one configuration for all of it.
//!
//! In: keys, and where this proxy is. Out: which keys are for it, and what is wrong with them. Always holds: what is set for the
//! workload outranks what is set for a site, and a narrow site a wide one; what is set for others is held against the same ranges,
//! so that a mistake is told by every proxy and not by the one that it is for.

use super::Overridable;
use super::json::Value;
use super::reader::SettingsReader;
use crate::text::format::{line, listed};

/// What can be set for a part of the mesh.
const KEYS: [&str; 4] = ["report_interval_ms", "detail", "slow_ms", "open_age_ms"];

/// Where a proxy is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyLocation {
    /// `namespace/workload`.
    pub workload: String,
    /// The names of the sites that it is in, from wide to narrow: cluster, region, zone.
    pub sites: [String; 3],
    /// Whether it is an Istio waypoint, which is on neither side of a call.
    pub is_waypoint: bool,
}

impl ProxyLocation {
    /// The parts of the mesh that it is in, the one that outranks the others last.
    pub(super) fn parts(&self) -> [String; 4] {
        let [cluster, region, zone] = &self.sites;
        [
            line!("sites.", cluster),
            line!("sites.", region),
            line!("sites.", zone),
            line!("workloads.", self.workload),
        ]
    }
}

/// Whether a key is set for a part of the mesh.
pub(super) fn is_override(path: &str) -> bool {
    path.starts_with("sites.") || path.starts_with("workloads.")
}

/// What is wrong with what is set for a part of the mesh.
#[inline(never)]
pub(super) fn complaint(path: &str, value: &Value) -> Option<String> {
    let (part, key) = path.rsplit_once('.').unwrap_or_default();
    if !KEYS.contains(&key) {
        let possible = listed(KEYS.into_iter());
        return Some(line!("`", path, "` is not known; for a part of the mesh can be set ", possible));
    }
    let mut alone = SettingsReader::new(vec![(key.to_owned(), value.clone())], Default::default());
    Overridable::read(&mut alone);
    alone.verdict().err().map(|line| line!("in `", part, "` ", line))
}

#[cfg(test)]
mod tests {
    use super::ProxyLocation;
    use crate::config::Config;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[track_caller]
    fn check(parts: &str, expected: &str) {
        let place = ProxyLocation {
            workload: "shop/payments-v2".to_owned(),
            sites: ["dc2".to_owned(), "eu".to_owned(), "eu-1".to_owned()],
            is_waypoint: false,
        };
        let json = format!(r#"{{"collector": {{"cluster": "c"}}, "slow_ms": 7, {parts}}}"#);
        let text = match Config::parse(json.as_bytes(), &place) {
            Ok(config) => format!("{:?} {}", config.detail, config.slow_ms),
            Err(line) => line,
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn the_narrowest_part_has_the_last_word() {
        check(r#""sites": {"dc1": {"slow_ms": 1}}"#, "All 7");
        check(r#""sites": {"dc2": {"slow_ms": 1, "detail": "failures"}}"#, "Failures 1");
        check(r#""sites": {"eu-1": {"slow_ms": 2}, "dc2": {"slow_ms": 1, "detail": "none"}}"#, "None 2");
        check(
            r#""workloads": {"shop/payments-v2": {"detail": "all"}}, "sites": {"eu": {"detail": "none"}}"#,
            "All 7",
        );
    }

    #[test]
    fn a_mistake_is_told_by_all() {
        check(
            r#""sites": {"dc1": {"detail": "some"}}"#,
            "in `sites.dc1` `detail` is none of `all`, `failures`, `none`",
        );
        check(
            r#""workloads": {"shop/x": {"limits": {"batch_records_max": 5}}}"#,
            "`workloads.shop/x.limits.batch_records_max` is not known; for a part of the mesh can be set \
             `report_interval_ms`, `detail`, `slow_ms`, `open_age_ms`",
        );
    }
}
