//! Labels that are not known, and labels that Istio derives from others.
//!
//! Invariant: a label is derived by one rule for a proxy itself and for its peers, so that both
//! reporters of a call name a workload alike.

use crate::batch::Text;
use std::sync::LazyLock;

/// `unknown`, as in Istio.
pub(super) static UNKNOWN: LazyLock<Text> = LazyLock::new(|| "unknown".into());

/// Canonical revision of a workload without a version, as in Istio.
pub(super) static LATEST: LazyLock<Text> = LazyLock::new(|| "latest".into());

static EMPTY: LazyLock<Text> = LazyLock::new(Text::default);

/// Returns the text, or `unknown` if it is empty.
pub(super) fn known(text: &Text) -> Text {
    if text.is_empty() { UNKNOWN.clone() } else { text.clone() }
}

/// Returns the version of a workload: the label `version`, or else the canonical revision, which
/// Istio takes from `app.kubernetes.io/version`. `latest` is Istio's revision of a workload without
/// a version, and absent from the metadata of endpoints; for both the version is empty.
pub(super) fn version_of<'a>(version: &'a Text, canonical_revision: &'a Text) -> &'a Text {
    match version.is_empty() {
        false => version,
        true if **canonical_revision == **LATEST => &EMPTY,
        true => canonical_revision,
    }
}

/// Returns the app of a workload: the label `app`, or else the canonical service. The metadata of
/// an endpoint has no `app`, and Istio takes the canonical service from `app`.
pub(super) fn app_of<'a>(app: &'a Text, canonical_service: &'a Text) -> &'a Text {
    if app.is_empty() { canonical_service } else { app }
}
