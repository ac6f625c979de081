//! Attributes of Envoy.

pub mod attribute;
pub mod expression;
pub mod prefetched;
pub mod values;
