//! Expressions: lists of attributes that Envoy evaluates in one host call.
//!
//! Envoy compiles each expression once per plugin. A host call that returns data costs about 10,700
//! instructions regardless of the size, and each attribute in a list 2,300 more
//! (`docs/performance.md`). A missing attribute fails the whole list. The plain list is therefore
//! evaluated first; it fails for failed requests only, and the guarded list follows. Envoy's CEL
//! has no concatenation and no conversions.

/// A list of attributes that is evaluated in one host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expression {
    /// The attributes of every record; fails when one of them is missing.
    Request,
    /// The attributes of every record, with placeholders for missing ones.
    RequestGuarded,
    /// The explanation of a failed request.
    Failure,
    /// The destination that the request itself names.
    Authority,
    /// The remaining attributes of an edge at a source.
    SourceEdge,
    /// The remaining attributes of an edge at a destination.
    DestinationEdge,
    /// The attributes of a connection's record.
    Connection,
}

/// All expressions, in the order in which a host compiles them.
pub const EXPRESSIONS: [Expression; 7] = [
    Expression::Request,
    Expression::RequestGuarded,
    Expression::Failure,
    Expression::Authority,
    Expression::SourceEdge,
    Expression::DestinationEdge,
    Expression::Connection,
];

/// The number of values of [`Expression::Request`] at a source. The number distinguishes the sides.
pub const SOURCE_VALUES: usize = 10;
/// The number of values of [`Expression::Request`] at a destination.
pub const DESTINATION_VALUES: usize = 11;
/// The number of values of [`Expression::Failure`].
pub const FAILURE_VALUES: usize = 2;
/// The number of values of [`Expression::Connection`].
pub const CONNECTION_VALUES: usize = 12;

/// The placeholder for a missing number.
pub const ABSENT: i64 = -1;
/// The value in place of the gRPC status of a request that is not gRPC. No header has this value.
pub const NOT_GRPC: &[u8] = b"\n";
/// The value in place of the gRPC status of a gRPC request without one. No header has this value.
pub const NO_STATUS: &[u8] = b"\t";

/// The placeholder for the hop header, before the request id that replaces it.
const HOP_HEADER: u8 = b'@';
/// The placeholder for the gRPC status, whose text is long and occurs in several expressions.
const GRPC_STATUS: u8 = b'#';
/// The gRPC status of a request. A request that is not gRPC costs one comparison at most.
pub(super) const GRPC_STATUS_CEL: &str = include_str!("expression/grpc_status.cel");

impl Expression {
    /// Returns the CEL text, with placeholders.
    #[must_use]
    pub fn cel(self) -> &'static str {
        match self {
            Self::Request => include_str!("expression/request.cel"),
            Self::RequestGuarded => include_str!("expression/request_guarded.cel"),
            Self::Failure => include_str!("expression/failure.cel"),
            Self::Authority => include_str!("expression/authority.cel"),
            Self::SourceEdge => include_str!("expression/source_edge.cel"),
            Self::DestinationEdge => include_str!("expression/destination_edge.cel"),
            Self::Connection => include_str!("expression/connection.cel"),
        }
    }

    /// Returns the CEL text without placeholders. The id of a hop is that of this header; the
    /// request id where the name of the header is empty.
    #[must_use]
    pub fn cel_with_hop_header(self, hop_header: &str) -> Vec<u8> {
        let mut cel = Vec::new();
        for byte in self.cel().bytes() {
            match byte {
                HOP_HEADER if hop_header.is_empty() => {}
                HOP_HEADER => {
                    for part in
                        ["'", hop_header, "' in request.headers ? request.headers['", hop_header, "'] : "]
                    {
                        cel.extend_from_slice(part.as_bytes());
                    }
                }
                GRPC_STATUS => cel.extend_from_slice(GRPC_STATUS_CEL.trim_ascii_end().as_bytes()),
                byte => cel.push(byte),
            }
        }
        cel
    }
}
