//! Outcome in 16 bytes, since each series has one.
//!
//! Invariant: an outcome that passed validation is unpacked unchanged.

use crate::batch::{Outcome, Protocol};

/// Outcome of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PackedOutcome {
    response_flags: u64,
    /// 0 without a gRPC status.
    grpc_status: u32,
    response_code: u16,
    has_grpc_status: bool,
    protocol: Protocol,
}

impl From<Outcome> for PackedOutcome {
    #[inline]
    fn from(outcome: Outcome) -> Self {
        let Outcome { response_code, response_flags, grpc_status, protocol } = outcome;
        Self {
            response_flags,
            grpc_status: grpc_status.unwrap_or(0),
            // Validation admits codes up to 599, and maps every other one to an invalid code.
            response_code: u16::try_from(response_code).unwrap_or(u16::MAX),
            has_grpc_status: grpc_status.is_some(),
            protocol,
        }
    }
}

impl From<PackedOutcome> for Outcome {
    fn from(packed: PackedOutcome) -> Self {
        let PackedOutcome { response_flags, grpc_status, response_code, has_grpc_status, protocol } = packed;
        Self {
            response_code: response_code.into(),
            response_flags,
            grpc_status: has_grpc_status.then_some(grpc_status),
            protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, PackedOutcome, Protocol};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_outcome_is_unpacked_unchanged(response_code: u32, response_flags: u64, grpc_status: Option<u32>) {
            let response_code = Outcome::valid_code(response_code);
            let grpc_status = grpc_status.map(Outcome::valid_grpc_status);
            let outcome = Outcome { response_code, response_flags, grpc_status, protocol: Protocol::Grpc };
            prop_assert_eq!(Outcome::from(PackedOutcome::from(outcome)), outcome);
        }
    }

    #[test]
    fn a_packed_outcome_takes_16_bytes() {
        assert_eq!(size_of::<PackedOutcome>(), 16);
    }
}
