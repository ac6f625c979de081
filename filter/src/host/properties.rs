//! Attributes of the request, or of the node, that Envoy's current callback is about.
//!
//! In: an [`Attribute`]. Out: what `get_property` answers. Always holds: an error of the host is no value.

use super::abi;
use crate::attributes::{Attribute, Attributes};

/// Reads one attribute per host call.
pub(super) struct Properties;

impl Attributes for Properties {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        abi::property(attribute.path().join("\0").as_bytes())
    }
}
