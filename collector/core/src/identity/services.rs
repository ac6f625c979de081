//! Services of the mesh, and the resolution of requested authorities to services.
//!
//! In: services as proxies reported them. Out: full names. Invariant: services known from cluster
//! names are bounded by the configuration of the mesh and by `services_max`; services known only
//! from requests are bounded by `authorities_max`, and further ones are named `other`.

use super::unknown::known;
use crate::batch::{Evidence, Service, Text};
use crate::snapshot::codec::snapshot;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

/// Largest number of workloads per service: two suffice to see that a workload is not the only one.
const SERVERS_MAX: usize = 2;

static OTHER: LazyLock<Text> = LazyLock::new(|| "other".into());

/// Destination service in the labels of Istio.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceName {
    /// `destination_service`; empty only during resolution.
    pub host: Text,
    /// `destination_service_name`.
    pub name: Text,
    /// `destination_service_namespace`.
    pub namespace: Text,
}

snapshot!(struct ServiceName { host, name, namespace });

/// Known services, with the workloads that serve them.
#[derive(Debug, Clone)]
pub(super) struct Services {
    services_max: usize,
    authorities_max: usize,
    servers: HashMap<Text, BTreeSet<Text>>,
    /// Versions of the workloads behind a host's subset.
    versions: HashMap<(Text, Text), BTreeSet<Text>>,
    authorities: HashSet<Text>,
    rejected: u64,
}

snapshot!(state Services { servers, versions, authorities, rejected } skip { services_max, authorities_max });

impl Services {
    pub(super) fn new(services_max: usize, authorities_max: usize) -> Self {
        Self {
            services_max,
            authorities_max,
            servers: HashMap::new(),
            versions: HashMap::new(),
            authorities: HashSet::new(),
            rejected: 0,
        }
    }

    pub(super) fn limit(&mut self, services_max: usize, authorities_max: usize) {
        self.services_max = services_max;
        self.authorities_max = authorities_max;
    }

    /// Learns a service from a cluster name or a server name, with a workload and version that
    /// serve it. Returns whether any of the three is new.
    pub(super) fn learn(&mut self, service: &Service, workload: &Text, version: &Text) -> bool {
        if service.host.is_empty() || !matches!(service.evidence, Evidence::Cluster | Evidence::Sni) {
            return false;
        }
        if self.servers.len() >= self.services_max && !self.servers.contains_key(&service.host) {
            return false;
        }
        let known = self.servers.len();
        let servers = self.servers.entry(service.host.clone()).or_default();
        let mut new = false;
        if !workload.is_empty() && servers.len() < SERVERS_MAX {
            new = servers.insert(workload.clone());
        }
        new |= self.servers.len() > known;
        let subset = (service.host.clone(), service.subset.clone());
        if version.is_empty()
            || service.subset.is_empty()
            || self.versions.len() >= self.services_max && !self.versions.contains_key(&subset)
        {
            return new;
        }
        let versions = self.versions.entry(subset).or_default();
        if versions.len() < SERVERS_MAX {
            new |= versions.insert(version.clone());
        }
        new
    }

    /// Returns the version behind a subset: the only one that was reported, or else the name of the
    /// subset, which by convention is the version. Empty without a subset, and for several
    /// versions.
    pub(super) fn version_of(&self, service: &Service) -> Text {
        match self.versions.get(&(service.host.clone(), service.subset.clone())) {
            Some(versions) if versions.len() == 1 => versions.first().cloned().unwrap_or_default(),
            Some(_) => Text::default(),
            None => service.subset.clone(),
        }
    }

    /// Returns the workload of a service if only one was reported to serve it.
    pub(super) fn only_server(&self, host: &Text) -> Option<&Text> {
        let servers = self.servers.get(host)?;
        servers.first().filter(|_| servers.len() == 1)
    }

    /// Number of times that a requested authority was resolved to `other`, because there were too
    /// many.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Returns the full name of a service that a proxy in `namespace` reported.
    pub(super) fn name(&mut self, service: &Service, namespace: &str) -> ServiceName {
        let host = match service.evidence {
            Evidence::Authority => self.requested(&service.host, namespace),
            _ => service.host.clone(),
        };
        let (short, of) = parts(&host);
        let name = if service.name.is_empty() { short.into() } else { service.name.clone() };
        let namespace = if service.namespace.is_empty() { of.into() } else { service.namespace.clone() };
        ServiceName { host: known(&host), name: known(&name), namespace: known(&namespace) }
    }

    fn requested(&mut self, authority: &Text, namespace: &str) -> Text {
        let candidates = [
            authority.to_string(),
            format!("{authority}.cluster.local"),
            format!("{authority}.svc.cluster.local"),
            format!("{authority}.{namespace}.svc.cluster.local"),
        ];
        let service = candidates.iter().find_map(|host| self.servers.get_key_value(host.as_str()));
        if let Some((host, _)) = service {
            return host.clone();
        }
        if self.authorities.len() < self.authorities_max || self.authorities.contains(authority) {
            self.authorities.insert(authority.clone());
            return authority.clone();
        }
        self.rejected = self.rejected.saturating_add(1);
        OTHER.clone()
    }
}

/// Returns short name and namespace of a Kubernetes host; any other host is its own name.
fn parts(host: &str) -> (&str, &str) {
    let mut labels = host.splitn(3, '.');
    match (labels.next(), labels.next(), labels.next()) {
        (Some(name), Some(namespace), Some(rest)) if rest == "svc" || rest.starts_with("svc.") => {
            (name, namespace)
        }
        _ => (host, ""),
    }
}
