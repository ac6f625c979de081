//! Recent state of edges: requests in flight, windows of the last minutes, last failures.

pub mod in_flight;
pub mod windows;
pub mod failures;
