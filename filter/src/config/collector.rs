//! The section `collector`: the address of the collector.

use super::reader::SettingsReader;

/// The Envoy cluster of the collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Envoy's name of the cluster:
    /// `outbound|50051||hopscope-collector.observability.svc.cluster.local`. At most
    /// [`super::reader::ADDRESS_PART_BYTES_MAX`] bytes.
    pub cluster: String,
    /// The `:authority` of reports. Default: the host in the cluster's name. Letters, digits, `.`,
    /// `-`, `_` and `:`, because Rust's HTTP servers refuse a `|`.
    pub authority: String,
}

impl Collector {
    /// Reads the section.
    #[inline(never)]
    pub(super) fn read(settings: &mut SettingsReader) -> Self {
        let cluster = settings.text("collector.cluster", u8::is_ascii_graphic);
        if cluster.is_empty() {
            settings.reject("`collector.cluster` is missing".to_owned());
        }
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:".contains(byte);
        let mut authority = settings.text("collector.authority", allowed);
        if authority.is_empty() {
            authority = cluster.rsplit('|').next().unwrap_or_default().to_owned();
        }
        Self { cluster, authority }
    }
}
