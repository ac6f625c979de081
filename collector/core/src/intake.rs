//! Intake: turns the bytes of a report into a validated batch, or rejects them with a reason.

pub mod raw_batch;
pub mod decode;
pub mod validate;
pub mod access_log;
pub mod proto_fields;
pub mod reject;
