//! Which calls a command is asked to show.
//!
//! In: options, and the ends of a row. Out: whether to show it. Always holds: what was not asked for restricts nothing; a service
//! goes by its host or by the first part of that.

/// The options.
#[derive(Debug, clap::Args)]
pub(super) struct Calls {
    /// Only calls from this workload.
    #[arg(long, value_name = "WORKLOAD")]
    from: Option<String>,
    /// Only calls to this workload or service.
    #[arg(long, value_name = "WORKLOAD|SERVICE")]
    to: Option<String>,
}

impl Calls {
    /// Whether calls between these ends are asked for.
    pub(super) fn are_between(&self, source: &str, destination: &str, service: &str) -> bool {
        let short = service.split('.').next().unwrap_or_default();
        is_asked_for(self.from.as_ref(), &[source])
            && is_asked_for(self.to.as_ref(), &[destination, service, short])
    }
}

/// Whether one of the values is the one that is asked for, if any is.
pub(super) fn is_asked_for(wanted: Option<&String>, values: &[&str]) -> bool {
    wanted.is_none_or(|wanted| values.contains(&wanted.as_str()))
}
