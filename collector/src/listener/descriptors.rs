//! File descriptors of the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of connections: files of the journal, sockets of sinks, the runtime.
const OTHERS: u64 = 256;

/// Raises the limit on open descriptors as far as the system allows, because the default of many
/// systems, 1,024, is below the limit on connections. Logs a warning when the limit stays below
/// `connections`.
pub fn raise(connections: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // An error leaves the old limit, which is then logged.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let limit = if raised { maximum } else { current };
    if limit.is_some_and(|limit| limit < connections.saturating_add(OTHERS)) {
        tracing::warn!(
            limit,
            connections,
            "the limit on open files is below the limits on connections; raise it (ulimit -n, LimitNOFILE)"
        );
    }
}
