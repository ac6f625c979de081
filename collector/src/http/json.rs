//! The JSON API: one file per endpoint.

pub(crate) mod tcp;
pub(crate) mod edges;
pub(crate) mod failures;
pub(crate) mod filters;
pub(crate) mod hops;
pub(crate) mod in_flight;
pub(crate) mod proxies;
pub(crate) mod windows;
