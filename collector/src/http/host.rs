//! Host names by which clients address the collector.
//!
//! In: a request. Out: whether it may be answered. Invariant: a page in a browser cannot read
//! telemetry through a name of its own that resolves to the collector (DNS rebinding).

use axum::http::{HeaderMap, StatusCode, Uri, Version, header};
use std::net::IpAddr;

/// Allowed names.
#[derive(Debug, Clone)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// Reads the setting `http.hosts`.
    pub(super) fn new(setting: &str) -> Self {
        let names = setting.split(',').map(|name| name.trim().to_ascii_lowercase());
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    /// Returns status and reason for a request that may not be answered.
    pub(super) fn problem(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, &'static str)> {
        let mut values = headers.get_all(header::HOST).iter();
        let (first, second) = (values.next(), values.next());
        match (first, second) {
            (_, Some(_)) => return Some((StatusCode::BAD_REQUEST, "the request has two Host headers")),
            (None, None) if version >= Version::HTTP_11 => {
                return Some((StatusCode::BAD_REQUEST, "the request has no Host header"));
            }
            _ => {}
        }
        let of_header = first.map(|value| value.to_str().unwrap_or_default());
        let of_uri = uri.authority().map(axum::http::uri::Authority::as_str);
        let is_foreign = of_header.into_iter().chain(of_uri).any(|authority| !self.allows(authority));
        is_foreign.then_some((
            StatusCode::MISDIRECTED_REQUEST,
            "the Host header names a host that http.hosts does not allow",
        ))
    }

    /// Whether an authority, `HOST` or `HOST:PORT`, is allowed.
    fn allows(&self, authority: &str) -> bool {
        let name = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_allowed = |allowed: &String| match allowed.strip_prefix('*') {
            Some(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
            None => name == *allowed,
        };
        // A name of one label is no public name.
        let is_local = !name.is_empty() && !name.contains('.');
        name.parse::<IpAddr>().is_ok() || is_local || self.0.iter().any(is_allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::Hosts;
    use axum::http::{HeaderMap, Uri, Version, header};

    /// Status of a request with these Host headers; 200 when it may be answered.
    fn status(version: Version, uri: &'static str, hosts: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        let allowed = Hosts::new("*.svc, Metrics.Example.com");
        allowed.problem(version, &Uri::from_static(uri), &headers).map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn a_foreign_host_is_refused() {
        for host in [
            "127.0.0.1:9464",
            "[::1]:9464",
            "10.0.0.7",
            "localhost:9464",
            "hopscope",
            "hopscope.telemetry.svc:9464",
            "metrics.example.com",
            "METRICS.example.com.:80",
        ] {
            assert_eq!(status(Version::HTTP_11, "/metrics", &[host]), 200, "{host}");
        }
        for host in
            ["evil.example", "svc.evil.example:9464", ".svc", "example.com", "", "127.0.0.1.evil.example"]
        {
            assert_eq!(status(Version::HTTP_11, "/metrics", &[host]), 421, "{host}");
        }
        assert_eq!(status(Version::HTTP_11, "http://evil.example/metrics", &["localhost"]), 421);
    }

    #[test]
    fn no_host_and_two_hosts_are_refused() {
        assert_eq!(status(Version::HTTP_11, "/metrics", &[]), 400);
        assert_eq!(status(Version::HTTP_11, "/metrics", &["localhost", "localhost"]), 400);
        assert_eq!(status(Version::HTTP_10, "/metrics", &[]), 200, "HTTP/1.0 has no Host header");
    }
}
