//! A pod, and the attributes that its Envoy gives to the filter.
//!
//! In: a pod, a completed request. Out: attributes.
//! Invariant: the size of a request is its own number, so that sums of sizes show which requests
//! were counted.

use hopscope_filter::attributes::Expression;
use hopscope_filter::attributes::{Attribute, Attributes};

/// A pod with its proxy.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) proxy: String,
    pub(crate) workload: String,
    pub(crate) address: String,
}

impl Pod {
    pub(crate) fn new(number: usize) -> Self {
        let address = format!("10.0.0.{}", number + 1);
        let workload = format!("w{number}");
        Self {
            proxy: format!("sidecar~{address}~{workload}-pod.shop~shop.svc.cluster.local"),
            workload,
            address,
        }
    }
}

/// A completed request.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) is_destination: bool,
    /// Number of the request, unique in the run.
    pub(crate) number: u64,
    /// Request id, shared by both sides.
    pub(crate) id: String,
    pub(crate) duration_us: u64,
    pub(crate) code: u64,
    pub(crate) flags: u64,
    /// Pod of the other side.
    pub(crate) peer: Pod,
    /// Whether a forwarded-for header hides the source's address from the destination.
    pub(crate) is_hidden: bool,
    /// Number of the called service of the peer.
    pub(crate) service: u64,
}

/// Attributes of an Envoy, and of a request where there is one.
pub(crate) struct EnvoyAttributes<'a>(pub(crate) &'a Pod, pub(crate) Option<&'a Ended>);

impl EnvoyAttributes<'_> {
    fn of_request(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let ended = self.1?;
        let number = |number: u64| Some(number.to_le_bytes().to_vec());
        let text = |text: String| Some(text.into_bytes());
        let peer = &ended.peer;
        match attribute {
            Attribute::ListenerDirection => number(if ended.is_destination { 1 } else { 2 }),
            Attribute::RequestDuration => number(ended.duration_us * 1_000),
            Attribute::ResponseCode => number(ended.code),
            Attribute::ResponseFlags => number(ended.flags),
            Attribute::RequestTotalSize => number(ended.number),
            Attribute::ResponseTotalSize | Attribute::UpstreamAttempts | Attribute::ConnectionId => number(1),
            Attribute::RequestId => text(ended.id.clone()),
            Attribute::CallerAttempt if ended.is_destination => text("1".to_owned()),
            Attribute::ClusterName if ended.is_destination => text("inbound|8080||".to_owned()),
            Attribute::ClusterName => {
                text(format!("outbound|8080||{}-{}.shop.svc.cluster.local", peer.workload, ended.service))
            }
            Attribute::UpstreamAddress if !ended.is_destination => text(format!("{}:8080", peer.address)),
            Attribute::SourceAddress if ended.is_destination => {
                let port = if ended.is_hidden { 0 } else { 4_000 };
                text(format!("{}:{port}", peer.address))
            }
            Attribute::EndpointWorkload if !ended.is_destination => {
                text(format!("{0};shop;{0};;Kubernetes", peer.workload))
            }
            _ => None,
        }
    }
}

impl Attributes for EnvoyAttributes<'_> {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let pod = self.0;
        match attribute {
            Attribute::NodeId => Some(pod.proxy.clone().into_bytes()),
            Attribute::NodeMetadata("WORKLOAD_NAME")
            | Attribute::NodeLabel("service.istio.io/canonical-name") => {
                Some(pod.workload.clone().into_bytes())
            }
            Attribute::NodeMetadata("NAMESPACE") => Some(b"shop".to_vec()),
            _ => self.of_request(attribute),
        }
    }

    fn evaluate(&self, _: Expression) -> Option<Vec<u8>> {
        None
    }
}
