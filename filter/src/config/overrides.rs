//! Overrides: settings for single sites and workloads in the configuration of the whole mesh.
//!
//! In: keys, and the location of this proxy. Out: the overrides that apply to the proxy, and
//! errors.
//! Invariant: an override for the workload takes precedence over one for a site, and a narrow site
//! over a wide one. Overrides for other proxies are validated too, so that every proxy reports a
//! mistake.

use super::json::Value;
use super::overridable::{KEYS, Overridable};
use super::reader::SettingsReader;
use super::unknown_key;
use crate::text::format::{line, listed};

/// The location of a proxy in the mesh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyLocation {
    /// `namespace/workload`.
    pub workload: String,
    /// Names of the proxy's sites, from wide to narrow: cluster, region, zone.
    pub sites: [String; 3],
    /// Whether the proxy is an Istio waypoint, which is on neither side of a call.
    pub is_waypoint: bool,
}

/// Returns the key prefixes of the overrides for a location, in ascending precedence.
pub(super) fn prefixes(location: &ProxyLocation) -> [String; 4] {
    let [cluster, region, zone] = &location.sites;
    [
        line!("sites.", cluster),
        line!("sites.", region),
        line!("sites.", zone),
        line!("workloads.", location.workload),
    ]
}

/// Rejects a key that is neither among `known` nor an override.
#[inline(never)]
pub(super) fn check_keys(settings: &mut SettingsReader, known: &[&str]) {
    let is_known = |path: &str| known.contains(&path) || is_override(path);
    if let Some((unknown, _)) = settings.values().iter().find(|(path, _)| !is_known(path)) {
        let error = unknown_key::error(unknown, known);
        settings.reject(error);
    }
}

/// Rejects an override that is not valid.
#[inline(never)]
pub(super) fn check_overrides(settings: &mut SettingsReader) {
    let overrides = settings.values().iter().filter(|(path, _)| is_override(path));
    let error = overrides.filter_map(|(path, value)| error(path, value)).next();
    error.into_iter().for_each(|error| settings.reject(error));
}

fn is_override(path: &str) -> bool {
    path.starts_with("sites.") || path.starts_with("workloads.")
}

/// Returns the error of an override.
#[inline(never)]
fn error(path: &str, value: &Value) -> Option<String> {
    let (target, key) = path.rsplit_once('.').unwrap_or_default();
    if !KEYS.contains(&key) {
        let keys = listed(KEYS.into_iter());
        return Some(line!("`", path, "` is not known; valid keys of a site or workload are ", keys));
    }
    let mut alone = SettingsReader::new(vec![(key.to_owned(), value.clone())], Default::default());
    Overridable::read(&mut alone);
    alone.finish().err().map(|error| line!("in `", target, "` ", error))
}

#[cfg(test)]
mod tests {
    use super::ProxyLocation;
    use crate::config::Config;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[track_caller]
    fn check(overrides: &str, expected: &str) {
        let location = ProxyLocation {
            workload: "shop/payments-v2".to_owned(),
            sites: ["dc2".to_owned(), "eu".to_owned(), "eu-1".to_owned()],
            is_waypoint: false,
        };
        let json = format!(r#"{{"collector": {{"cluster": "c"}}, "slow_ms": 7, {overrides}}}"#);
        let text = match Config::parse(json.as_bytes(), &location) {
            Ok(config) => format!("{:?} {}", config.detail, config.slow_ms),
            Err(line) => line,
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn the_narrowest_override_takes_precedence() {
        check(r#""sites": {"dc1": {"slow_ms": 1}}"#, "All 7");
        check(r#""sites": {"dc2": {"slow_ms": 1, "detail": "failures"}}"#, "Failures 1");
        check(r#""sites": {"eu-1": {"slow_ms": 2}, "dc2": {"slow_ms": 1, "detail": "none"}}"#, "None 2");
        check(
            r#""workloads": {"shop/payments-v2": {"detail": "all"}}, "sites": {"eu": {"detail": "none"}}"#,
            "All 7",
        );
    }

    #[test]
    fn every_proxy_reports_an_invalid_override() {
        check(
            r#""sites": {"dc1": {"detail": "some"}}"#,
            "in `sites.dc1` `detail` is not one of `all`, `failures`, `none`",
        );
        check(
            r#""workloads": {"shop/x": {"limits": {"batch_records_max": 5}}}"#,
            "`workloads.shop/x.limits.batch_records_max` is not known; valid keys of a site or workload are \
             `report_interval_ms`, `detail`, `slow_ms`, `open_age_ms`",
        );
    }
}
