//! A pod, and what its Envoy knows of itself and of a request.
//!
//! In: numbers. Out: attributes. Always holds: the size of a request is its own number, so that sums of sizes tell which
//! requests were counted.

use hopscope_filter::attributes::Expression;
use hopscope_filter::attributes::{Attribute, Attributes};

/// Where a proxy runs.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) proxy: String,
    pub(crate) workload: String,
    pub(crate) address: String,
}

impl Site {
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

/// A finished request.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) is_destination: bool,
    /// Its number, which nothing else has.
    pub(crate) number: u64,
    /// The request id, which both sides share.
    pub(crate) id: String,
    pub(crate) duration_us: u64,
    pub(crate) code: u64,
    pub(crate) flags: u64,
    /// The other side.
    pub(crate) peer: Site,
    /// A forwarded-for header hides the caller's address from the called side.
    pub(crate) is_hidden: bool,
    /// Which of the peer's services was meant.
    pub(crate) service: u64,
}

/// What an Envoy says.
pub(crate) struct Said<'a>(pub(crate) &'a Site, pub(crate) Option<&'a Ended>);

impl Said<'_> {
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

impl Attributes for Said<'_> {
    fn bytes(&self, attribute: Attribute) -> Option<Vec<u8>> {
        let site = self.0;
        match attribute {
            Attribute::NodeId => Some(site.proxy.clone().into_bytes()),
            Attribute::NodeMetadata("WORKLOAD_NAME")
            | Attribute::NodeLabel("service.istio.io/canonical-name") => {
                Some(site.workload.clone().into_bytes())
            }
            Attribute::NodeMetadata("NAMESPACE") => Some(b"shop".to_vec()),
            _ => self.of_request(attribute),
        }
    }

    fn evaluate(&self, _: Expression) -> Option<Vec<u8>> {
        None
    }
}
