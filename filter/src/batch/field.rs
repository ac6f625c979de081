//! Field numbers of `v1::Batch`. The sender writes the fields of the epoch, the identity and the
//! ledger; the batch writes all others.

pub(crate) const SCHEMA_VERSION: u32 = 1;
pub(crate) const PROXY: u32 = 2;
pub(crate) const EPOCH: u32 = 3;
pub(crate) const SEQUENCE: u32 = 4;
pub(crate) const IDENTITY: u32 = 5;
pub(crate) const LEDGER: u32 = 6;
pub(super) const BASE_TIME: u32 = 7;
pub(super) const STRINGS: u32 = 8;
pub(super) const EDGES: u32 = 9;
pub(super) const OUTCOMES: u32 = 10;
pub(super) const RECORDS: u32 = 11;
pub(super) const FOLDS: u32 = 12;
pub(super) const IN_FLIGHT: u32 = 13;
pub(super) const CONNECTIONS: u32 = 14;
pub(crate) const ATTEMPT: u32 = 15;
pub(super) const MESSAGES: u32 = 16;
pub(super) const STREAMS: u32 = 17;
