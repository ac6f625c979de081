//! The gRPC target of reports.
//!
//! In: the collector's cluster and authority. Out: the serialised
//! `envoy.config.core.v3.GrpcService` for Envoy's `grpc_call`.
//! Invariant: always the message, never a bare cluster name. A bare name with `|` becomes an
//! `:authority` that Rust's servers refuse, and some bare names parse as an empty message and abort
//! the Envoy process.

/// Tag of field 1, length-delimited: `GrpcService.envoy_grpc` and `EnvoyGrpc.cluster_name`.
const FIELD_1: u8 = 0x0a;
/// Tag of field 2, length-delimited: `EnvoyGrpc.authority`.
const FIELD_2: u8 = 0x12;

/// Returns the serialised target as ASCII, because the SDK requires a text. `None` when a part has
/// 128 bytes or more, so that its length is not ASCII; the configuration excludes such parts.
#[must_use]
pub fn grpc_service(cluster: &str, authority: &str) -> Option<String> {
    // The field `envoy_grpc` occurs once per part: protobuf merges both, and each length stays
    // small.
    let bytes = [envoy_grpc(FIELD_1, cluster)?, envoy_grpc(FIELD_2, authority)?].concat();
    String::from_utf8(bytes).ok()
}

fn envoy_grpc(tag: u8, value: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(value.len()).ok()?;
    let outer = length.checked_add(2).filter(|outer| *outer < 128)?;
    Some([&[FIELD_1, outer, tag, length], value.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::grpc_service;
    use crate::config::ADDRESS_PART_BYTES_MAX;
    use prost::Message;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// The used fields of `envoy.config.core.v3.GrpcService`.
    #[derive(Message)]
    struct GrpcService {
        #[prost(message, optional, tag = "1")]
        envoy_grpc: Option<EnvoyGrpc>,
    }

    #[derive(Message)]
    struct EnvoyGrpc {
        #[prost(string, tag = "1")]
        cluster_name: String,
        #[prost(string, tag = "2")]
        authority: String,
    }

    #[test]
    fn envoy_reads_back_both_parts() {
        let longest = "c".repeat(ADDRESS_PART_BYTES_MAX);
        for (cluster, authority) in [("outbound|50051||c.obs", "c.obs"), (&longest, &longest)] {
            let address = grpc_service(cluster, authority).unwrap();
            assert!(address.is_ascii());
            let read = GrpcService::decode(address.as_bytes()).unwrap().envoy_grpc.unwrap();
            assert_eq!((read.cluster_name.as_str(), read.authority.as_str()), (cluster, authority));
        }
    }

    #[test]
    fn too_long_parts_are_rejected() {
        assert_eq!(grpc_service(&"c".repeat(ADDRESS_PART_BYTES_MAX + 1), "a"), None);
        assert_eq!(grpc_service("c", &"a".repeat(300)), None);
    }
}
