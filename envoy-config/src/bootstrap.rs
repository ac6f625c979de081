//! The bootstrap of one workload's Envoy.
//!
//! In: the topology, addresses, certificates and the filter's settings. Out: a bootstrap in YAML.
//! Invariant: names are those of istiod, independent of the real address and port; an undefined
//! value in a template of `mesh/` is an error, not an empty string.

mod cluster;
mod listener;
pub(crate) mod node;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Value, json};

use crate::address_plan::AddressPlan;
use crate::certificates::IdentityFiles;
use crate::plugin::{COLLECTOR_CLUSTER, FailurePolicy, FilterSettings};
use crate::topology::{Kind, Topology, Workload};

pub use node::node_id;

/// Templates by name.
const TEMPLATES: [(&str, &str); 4] = [
    (SIDECAR, include_str!("../mesh/sidecar.yaml.jinja")),
    ("http.yaml.jinja", include_str!("../mesh/http.yaml.jinja")),
    ("cluster.yaml.jinja", include_str!("../mesh/cluster.yaml.jinja")),
    ("protocols.yaml.jinja", include_str!("../mesh/protocols.yaml.jinja")),
];

/// Name of the rendered template.
const SIDECAR: &str = "sidecar.yaml.jinja";

/// Settings of all workloads.
#[derive(Debug, Clone)]
pub struct MeshContext {
    /// Topology of the mesh.
    pub topology: Topology,
    /// Addresses of the mesh.
    pub plan: AddressPlan,
    /// gRPC address of the collector.
    pub collector: SocketAddr,
}

/// Settings of one workload's proxy.
#[derive(Debug, Clone)]
pub struct ProxySettings {
    /// mTLS identity.
    pub identity: IdentityFiles,
    /// Filter.
    pub filter: FilterSettings,
    /// Access logs.
    pub logs: AccessLogs,
}

/// The access logs of one Envoy.
#[derive(Debug, Clone, Serialize)]
pub struct AccessLogs {
    /// One line for each request with an incomplete head.
    pub incomplete_heads: PathBuf,
    /// One JSON line for each completed request; no log without it.
    pub requests: Option<PathBuf>,
}

/// Values of the template.
#[derive(Debug, Serialize)]
struct Bootstrap<'a> {
    node: node::Node,
    address: Ipv4Addr,
    admin_port: u16,
    inbound: Option<listener::Listener>,
    outbound: listener::Listener,
    application: Option<Value>,
    clusters: Vec<cluster::Cluster>,
    collector: Value,
    tls: Value,
    filter: Option<Filter<'a>>,
    logs: &'a AccessLogs,
}

#[derive(Debug, Serialize)]
struct Filter<'a> {
    module: &'a PathBuf,
    configuration: &'a str,
    failure_policy: FailurePolicy,
}

impl MeshContext {
    /// Renders the bootstrap of a workload.
    ///
    /// # Errors
    /// When the workload has no address, or a template is invalid.
    pub fn render(&self, workload: &Workload, settings: &ProxySettings) -> Result<String> {
        let bootstrap = self.describe(workload, settings);
        let bootstrap =
            bootstrap.with_context(|| format!("failed to describe the Envoy of {}", workload.id()))?;
        let templates = templates()?;
        let rendered = templates.get_template(SIDECAR)?.render(Serde(&bootstrap));
        rendered.with_context(|| format!("failed to render the bootstrap of {}", workload.id()))
    }

    fn describe<'a>(&self, workload: &Workload, settings: &'a ProxySettings) -> Result<Bootstrap<'a>> {
        let pod = self.plan.of(&workload.id())?;
        let identity = &settings.identity;
        let filter = &settings.filter;
        Ok(Bootstrap {
            node: node::describe(&self.topology, workload, pod.ip),
            address: pod.ip,
            admin_port: pod.admin,
            inbound: (workload.kind == Kind::Sidecar).then(|| listener::inbound(self, workload, pod)),
            outbound: listener::outbound(self, workload, pod)?,
            application: workload.application.as_ref().map(|_| {
                json!({
                    "cluster": listener::inbound_cluster(&self.topology),
                    "port": pod.application,
                    "services": [self.topology.service_metadata(&workload.name)],
                })
            }),
            clusters: cluster::describe(self, workload)?,
            collector: json!({
                "cluster": COLLECTOR_CLUSTER,
                "address": self.collector.ip(),
                "port": self.collector.port(),
                "services": [{
                    "host": "hopscope-collector.observability.svc.cluster.local",
                    "name": "hopscope-collector",
                    "namespace": "observability",
                }],
            }),
            tls: json!({
                "certificate": identity.certificate,
                "key": identity.key,
                "authority": identity.authority,
                "trust_prefix": format!("spiffe://{}/", self.topology.trust_domain),
            }),
            filter: filter.module.as_ref().map(|module| Filter {
                module,
                configuration: &filter.configuration,
                failure_policy: filter.failure_policy,
            }),
            logs: &settings.logs,
        })
    }
}

/// The templates of `mesh/`.
pub(crate) fn templates() -> Result<Environment<'static>> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|_| AutoEscape::Json);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, source) in TEMPLATES {
        templates.add_template(name, source)?;
    }
    Ok(templates)
}

impl Topology {
    /// SPIFFE identity of a workload: the service account has the workload's name, or is that of
    /// all workloads.
    pub fn spiffe_id(&self, workload: &str) -> String {
        let account = self.service_account.as_deref().unwrap_or(workload);
        format!("spiffe://{}/ns/{}/sa/{account}", self.trust_domain, self.namespace)
    }

    /// An element of `istio.services` in the metadata of a cluster.
    pub(crate) fn service_metadata(&self, service: &str) -> Value {
        json!({"host": self.host_of(service), "name": service, "namespace": self.namespace})
    }
}

#[cfg(test)]
mod tests;
