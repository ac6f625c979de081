//! The services of the mesh, and how a requested name becomes one of them.
//!
//! In: services as proxies told them. Out: full names. Always holds: names that clusters carry are bounded by the
//! mesh's own configuration and by `services_max`; names that only requests carried are bounded by `authorities_max`, and
//! what is more reads as `other`.

use super::edge::known;
use crate::batch::{Evidence, Service, Text};
use crate::snapshot::codec::snapshot;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

/// Workloads that are remembered of one service: more than one is as good as many.
const SERVERS_MAX: usize = 2;

static OTHER: LazyLock<Text> = LazyLock::new(|| "other".into());

/// The destination service in the labels of Istio.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceName {
    /// `destination_service`; empty only while an edge is completed.
    pub host: Text,
    /// `destination_service_name`.
    pub name: Text,
    /// `destination_service_namespace`.
    pub namespace: Text,
}

snapshot!(struct ServiceName { host, name, namespace });

/// All services that are known.
#[derive(Debug, Clone)]
pub(super) struct Services {
    services_max: usize,
    authorities_max: usize,
    servers: HashMap<Text, BTreeSet<Text>>,
    /// The versions behind a host's subset.
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

    /// Notes a service that a cluster or a server name carried, and a workload and version that serve it. Whether anything
    /// of it is new.
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

    /// The version that a subset stands for: the one that was seen behind it, else its own name, which by custom is the
    /// version's. Empty without a subset, and where several versions are behind it.
    pub(super) fn version_of(&self, service: &Service) -> Text {
        match self.versions.get(&(service.host.clone(), service.subset.clone())) {
            Some(versions) if versions.len() == 1 => versions.first().cloned().unwrap_or_default(),
            Some(_) => Text::default(),
            None => service.subset.clone(),
        }
    }

    /// The workload that alone serves a service, as far as was seen.
    pub(super) fn only_server(&self, host: &Text) -> Option<&Text> {
        let servers = self.servers.get(host)?;
        servers.first().filter(|_| servers.len() == 1)
    }

    /// How many times a requested authority found no room.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The full name of a service that a proxy in `namespace` told.
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

/// Short name and namespace of a Kubernetes host; any other host is its own name.
fn parts(host: &str) -> (&str, &str) {
    let mut labels = host.splitn(3, '.');
    match (labels.next(), labels.next(), labels.next()) {
        (Some(name), Some(namespace), Some(rest)) if rest == "svc" || rest.starts_with("svc.") => {
            (name, namespace)
        }
        _ => (host, ""),
    }
}
