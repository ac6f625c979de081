//! Envoy's own count of requests.
//!
//! In: the text of `/stats` and the number of incomplete heads. Out: [`HttpCounts`].
//! Invariant: each request is counted once (every counter appears a second time under `listener.`),
//! and requests of the admin interface are not counted.

/// Requests of all HTTP listeners of one Envoy since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpCounts {
    /// Started requests.
    pub total: u64,
    /// Requests in flight.
    pub active: u64,
    /// Requests with an incomplete head, which no filter sees.
    pub incomplete_heads: u64,
}

impl HttpCounts {
    /// Completed requests that a filter has seen.
    pub fn completed(&self) -> u64 {
        self.total.saturating_sub(self.active).saturating_sub(self.incomplete_heads)
    }

    pub(super) fn parse(stats: &str, incomplete_heads: usize) -> Self {
        let mut counts = Self { incomplete_heads: incomplete_heads as u64, ..Self::default() };
        for line in stats.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if !name.starts_with("http.inbound_") && !name.starts_with("http.outbound_") {
                continue;
            }
            let value: u64 = value.trim().parse().unwrap_or_default();
            if name.ends_with(".downstream_rq_total") {
                counts.total += value;
            } else if name.ends_with(".downstream_rq_active") {
                counts.active += value;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connection_managers_count_and_only_once() {
        let stats = "\
http.admin.downstream_rq_total: 7
http.inbound_127.3.4.5_8080;.downstream_rq_active: 2
http.inbound_127.3.4.5_8080;.downstream_rq_total: 100
http.outbound_127.3.4.5_8080;.downstream_rq_active: 0
http.outbound_127.3.4.5_8080;.downstream_rq_total: 50
listener.127.3.4.5_8080.http.inbound_127.3.4.5_8080;.downstream_rq_total: 100
no colon here
";
        let counts = HttpCounts::parse(stats, 3);
        assert_eq!(counts, HttpCounts { total: 150, active: 2, incomplete_heads: 3 });
        assert_eq!(counts.completed(), 145);
        assert_eq!(HttpCounts::parse("", 1).completed(), 0);
    }
}
