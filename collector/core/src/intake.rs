//! From bytes to a validated batch.

pub mod raw_batch;
pub mod decode;
pub mod validate;
pub mod access_log;
pub mod proto_fields;
pub mod reject;
