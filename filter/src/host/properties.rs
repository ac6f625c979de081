//! Attributes of the request, or of the node, that Envoy's current callback is about.
//!
//! In: an [`Attribute`]. Out: what `get_property` answers. Always holds: an error of the host is no value.

use crate::attributes::{Attribute, Attributes};
use proxy_wasm::hostcalls;

/// Reads one attribute per host call.
pub(super) struct Properties;

impl Attributes for Properties {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        hostcalls::get_property(attribute.path()).ok().flatten()
    }
}
