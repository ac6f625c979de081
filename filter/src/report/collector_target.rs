//! How a report is addressed.
//!
//! In: the collector's cluster and authority. Out: the serialised `envoy.config.core.v3.GrpcService` that Envoy's
//! `grpc_call` takes. Always holds: the proto form, never a bare name. A bare name with `|` becomes an `:authority`
//! that Rust's servers refuse, and some bare names parse as an empty proto and abort the whole Envoy process.

/// Tag of field 1, length-delimited: `GrpcService.envoy_grpc` and `EnvoyGrpc.cluster_name`.
const FIELD_1: u8 = 0x0a;
/// Tag of field 2, length-delimited: `EnvoyGrpc.authority`.
const FIELD_2: u8 = 0x12;

/// The serialised address, as ASCII, since the SDK takes it as text. `None` when a part is too long for that: a
/// length of 128 or more is no ASCII. Configuration checks keep it from happening.
#[must_use]
pub fn grpc_service(cluster: &str, authority: &str) -> Option<String> {
    // `envoy_grpc` twice, once per part: protobuf merges the two, and each length stays small.
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

    /// The part of `envoy.config.core.v3.GrpcService` that is used here.
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
    fn too_long_is_none() {
        assert_eq!(grpc_service(&"c".repeat(ADDRESS_PART_BYTES_MAX + 1), "a"), None);
        assert_eq!(grpc_service("c", &"a".repeat(300)), None);
    }
}
