//! The reply of the collector to a report.
//!
//! In: the gRPC status and the message of a finished call. Out: a [`Reply`].
//! Invariant: only a batch that can never be accepted is given up; every other batch is sent again.
//!
//! Source: the documented errors of `Telemetry.Report`. Envoy reports a refused connection, a reset
//! and its own timeout as UNAVAILABLE.

use super::ack;
use hopscope_proto::v1::{Ack, DropReason};

/// The longest backoff that a collector can request, milliseconds.
const BACKOFF_MS_MAX: u32 = 60_000;

/// The reply to one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The collector acknowledged the batch.
    Accepted {
        /// The collector requires the identity with the next batch.
        need_identity: bool,
        /// The pause before the next report, milliseconds.
        backoff_ms: u64,
    },
    /// The batch was not accepted and is to be sent again.
    NotAccepted {
        /// The collector requires the identity with the batch.
        need_identity: bool,
        /// The pause before the next report, milliseconds.
        backoff_ms: u64,
    },
    /// The collector refused the batch for good.
    Refused(DropReason),
    /// The report failed and is to be sent again later.
    Failed,
}

const OK: u32 = 0;
const INVALID_ARGUMENT: u32 = 3;
const OUT_OF_RANGE: u32 = 11;

/// Reads the reply to batch `sequence`.
#[must_use]
pub fn read(sequence: u64, status: u32, message: &[u8]) -> Reply {
    match status {
        OK => ack::read(message).map_or(Reply::Failed, |ack| acknowledged(sequence, ack)),
        INVALID_ARGUMENT => Reply::Refused(DropReason::Rejected),
        OUT_OF_RANGE => Reply::Refused(DropReason::TooLarge),
        _ => Reply::Failed,
    }
}

fn acknowledged(sequence: u64, ack: Ack) -> Reply {
    let need_identity = ack.need_identity;
    let backoff_ms = u64::from(ack.backoff_ms.min(BACKOFF_MS_MAX));
    match ack.accepted_sequence {
        accepted if accepted == sequence => Reply::Accepted { need_identity, backoff_ms },
        // Without a reason this counts as failed, so that the batch is not sent again in a tight
        // loop.
        _ if !need_identity && backoff_ms == 0 => Reply::Failed,
        _ => Reply::NotAccepted { need_identity, backoff_ms },
    }
}

#[cfg(test)]
mod tests {
    use super::{Reply, read};
    use hopscope_proto::v1::{Ack, DropReason};
    use prost::Message;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn ack(accepted_sequence: u64, need_identity: bool, backoff_ms: u32) -> Vec<u8> {
        Ack { accepted_sequence, need_identity, backoff_ms }.encode_to_vec()
    }

    #[test]
    fn each_status_and_message_has_one_reply() {
        let accepted = Reply::Accepted { need_identity: false, backoff_ms: 0 };
        assert_eq!(read(7, 0, &ack(7, false, 0)), accepted);
        assert_eq!(read(7, 0, &ack(7, true, 5)), Reply::Accepted { need_identity: true, backoff_ms: 5 });
        assert_eq!(read(7, 0, &ack(0, true, 0)), Reply::NotAccepted { need_identity: true, backoff_ms: 0 });
        assert_eq!(
            read(7, 0, &ack(0, false, u32::MAX)),
            Reply::NotAccepted { need_identity: false, backoff_ms: 60_000 }
        );
        assert_eq!(read(7, 0, &ack(6, false, 0)), Reply::Failed, "a reply to another batch");
        assert_eq!(read(7, 0, &[0xff]), Reply::Failed, "an invalid message");
        assert_eq!(read(7, 3, &[]), Reply::Refused(DropReason::Rejected));
        assert_eq!(read(7, 11, &[]), Reply::Refused(DropReason::TooLarge));
        for status in [1, 2, 4, 5, 7, 8, 9, 12, 13, 14, 16, 99] {
            assert_eq!(read(7, status, &ack(7, false, 0)), Reply::Failed);
        }
    }
}
