//! The bootstrap of one workload's Envoy.
//!
//! In: the topology, places, certificates and the filter's settings. Out: YAML that Envoy starts from.
//! Always: names are those that istiod gives, whatever the real address and port; what the templates in
//! `mesh/` are given is complete (an undefined value is an error, not an empty string).

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

use crate::address_plan::Places;
use crate::certificates::IdentityFiles;
use crate::plugin::{COLLECTOR_CLUSTER, FailurePolicy, FilterSettings};
use crate::topology::{Kind, Topology, Workload};

pub use node::node_id;

/// The templates, by the names that they know each other by.
const TEMPLATES: [(&str, &str); 4] = [
    (SIDECAR, include_str!("../mesh/sidecar.yaml.jinja")),
    ("http.yaml.jinja", include_str!("../mesh/http.yaml.jinja")),
    ("cluster.yaml.jinja", include_str!("../mesh/cluster.yaml.jinja")),
    ("protocols.yaml.jinja", include_str!("../mesh/protocols.yaml.jinja")),
];

/// The template that is rendered.
const SIDECAR: &str = "sidecar.yaml.jinja";

/// What all workloads share.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The mesh.
    pub topology: Topology,
    /// Where everything is.
    pub places: Places,
    /// The gRPC address of the collector.
    pub collector: SocketAddr,
}

/// What one workload has for itself.
#[derive(Debug, Clone)]
pub struct Equipment {
    /// Its mTLS identity.
    pub identity: IdentityFiles,
    /// Its filter.
    pub filter: FilterSettings,
    /// Its access logs.
    pub logs: AccessLogs,
}

/// The access logs of one Envoy.
#[derive(Debug, Clone, Serialize)]
pub struct AccessLogs {
    /// One line for each request whose head never became complete.
    pub incomplete_heads: PathBuf,
    /// One JSON line for each finished request; none without it.
    pub requests: Option<PathBuf>,
}

/// All that the template is given.
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

impl Surroundings {
    /// Renders the bootstrap of a workload.
    ///
    /// # Errors
    /// When the workload has no place, or a template is wrong.
    pub fn render(&self, workload: &Workload, equipment: &Equipment) -> Result<String> {
        let bootstrap = self.describe(workload, equipment);
        let bootstrap =
            bootstrap.with_context(|| format!("failed to describe the Envoy of {}", workload.id()))?;
        let templates = templates()?;
        let rendered = templates.get_template(SIDECAR)?.render(Serde(&bootstrap));
        rendered.with_context(|| format!("failed to render the bootstrap of {}", workload.id()))
    }

    fn describe<'a>(&self, workload: &Workload, equipment: &'a Equipment) -> Result<Bootstrap<'a>> {
        let place = self.places.of(&workload.id())?;
        let identity = &equipment.identity;
        let settings = &equipment.filter;
        Ok(Bootstrap {
            node: node::describe(&self.topology, workload, place.address),
            address: place.address,
            admin_port: place.admin,
            inbound: (workload.kind == Kind::Sidecar).then(|| listener::inbound(self, workload, place)),
            outbound: listener::outbound(self, workload, place)?,
            application: workload.application.as_ref().map(|_| {
                json!({
                    "cluster": listener::inbound_cluster(&self.topology),
                    "port": place.application,
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
            filter: settings.module.as_ref().map(|module| Filter {
                module,
                configuration: &settings.configuration,
                failure_policy: settings.failure_policy,
            }),
            logs: &equipment.logs,
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
    /// The SPIFFE identity of a workload: its service account has its name, whatever the version, or is that of all.
    pub fn spiffe_id(&self, workload: &str) -> String {
        let account = self.service_account.as_deref().unwrap_or(workload);
        format!("spiffe://{}/ns/{}/sa/{account}", self.trust_domain, self.namespace)
    }

    /// What istiod puts under `istio.services` of a cluster.
    pub(crate) fn service_metadata(&self, service: &str) -> Value {
        json!({"host": self.host_of(service), "name": service, "namespace": self.namespace})
    }
}

#[cfg(test)]
mod tests;
