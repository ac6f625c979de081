//! Services of the mesh, and the resolution of requested authorities to services.
//!
//! In: services as proxies reported them, and the time. Out: full names. Invariant: services known
//! from cluster names are bounded by the configuration of the mesh and by `services_max`; services
//! known only from requests are bounded by `authorities_max`, and further ones are named `other`; a
//! service, a workload behind it or an authority that is not reported for long is removed.

use super::authorities::Authorities;
use super::unknown::known;
use crate::batch::{Evidence, Service, Text};
use crate::snapshot::codec::snapshot;
use std::collections::{BTreeMap, HashMap};
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

/// Values by the time of their last report.
type Dated = BTreeMap<Text, u64>;

/// Known services, with the workloads that serve them.
#[derive(Debug, Clone)]
pub(super) struct Services {
    services_max: usize,
    /// Workloads by host.
    servers: HashMap<Text, Dated>,
    /// Time of the last report of a host.
    reported: HashMap<Text, u64>,
    /// Versions of the workloads behind a host's subset.
    versions: HashMap<(Text, Text), Dated>,
    authorities: Authorities,
    /// Services without a place.
    rejected: u64,
}

snapshot!(state Services { servers, reported, versions, rejected } nested { authorities } skip { services_max });

impl Services {
    pub(super) fn new(services_max: usize, authorities_max: usize) -> Self {
        Self {
            services_max,
            servers: HashMap::new(),
            reported: HashMap::new(),
            versions: HashMap::new(),
            authorities: Authorities::new(authorities_max),
            rejected: 0,
        }
    }

    pub(super) fn limit(&mut self, services_max: usize, authorities_max: usize) {
        self.services_max = services_max;
        self.authorities.limit(authorities_max);
    }

    /// Learns a service from a cluster name or a server name, with a workload and version that
    /// serve it. Returns whether any of the three is new.
    pub(super) fn learn(&mut self, service: &Service, workload: &Text, version: &Text, now_us: u64) -> bool {
        if service.host.is_empty() || !matches!(service.evidence, Evidence::Cluster | Evidence::Sni) {
            return false;
        }
        let host = canonical(&service.host);
        if self.reported.len() >= self.services_max && !self.reported.contains_key(&host) {
            self.rejected = self.rejected.saturating_add(1);
            return false;
        }
        let mut new = self.reported.insert(host.clone(), now_us).is_none();
        if !workload.is_empty() {
            new |= insert(self.servers.entry(host.clone()).or_default(), workload, now_us);
        }
        let subset = (host, service.subset.clone());
        if version.is_empty()
            || service.subset.is_empty()
            || self.versions.len() >= self.services_max && !self.versions.contains_key(&subset)
        {
            return new;
        }
        insert(self.versions.entry(subset).or_default(), version, now_us) || new
    }

    /// Removes services, workloads and versions without a report since `since_us`. Returns whether
    /// there were any.
    pub(super) fn expire(&mut self, since_us: u64) -> bool {
        let mut changed = self.authorities.expire(since_us);
        let mut retain = |values: &mut Dated| {
            let before = values.len();
            values.retain(|_, last_us| *last_us >= since_us);
            changed |= values.len() < before;
            !values.is_empty()
        };
        self.servers.retain(|_, workloads| retain(workloads));
        self.versions.retain(|_, versions| retain(versions));
        let before = self.reported.len();
        self.reported.retain(|_, last_us| *last_us >= since_us);
        changed || self.reported.len() < before
    }

    /// Returns the version behind a subset: the only one that was reported, or else the name of the
    /// subset, which by convention is the version. Empty without a subset, and for several
    /// versions.
    pub(super) fn version_of(&self, service: &Service) -> Text {
        match self.versions.get(&(canonical(&service.host), service.subset.clone())) {
            Some(versions) if versions.len() == 1 => versions.keys().next().cloned().unwrap_or_default(),
            Some(_) => Text::default(),
            None => service.subset.clone(),
        }
    }

    /// Returns the workload of a service if only one was reported to serve it.
    pub(super) fn only_server(&self, host: &Text) -> Option<&Text> {
        let servers = self.servers.get(host)?;
        servers.keys().next().filter(|_| servers.len() == 1)
    }

    /// Number of times that a requested authority was resolved to `other`, because there were too
    /// many.
    pub(super) fn authorities_rejected(&self) -> u64 {
        self.authorities.rejected()
    }

    /// Number of services known from requests only.
    pub(super) fn authorities(&self) -> usize {
        self.authorities.len()
    }

    /// Number of known services.
    pub(super) fn len(&self) -> usize {
        self.reported.len()
    }

    /// Number of times that a service was not stored, because there were too many.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Returns the full name of a service that a proxy in `namespace` reported.
    pub(super) fn name(&mut self, service: &Service, namespace: &str, now_us: u64) -> ServiceName {
        let host = match service.evidence {
            Evidence::Authority => self.requested(&canonical(&service.host), namespace, now_us),
            _ => canonical(&service.host),
        };
        let (short, of) = parts(&host);
        let name = if service.name.is_empty() { short.into() } else { service.name.clone() };
        let namespace = if service.namespace.is_empty() { of.into() } else { service.namespace.clone() };
        ServiceName { host: known(&host), name: known(&name), namespace: known(&namespace) }
    }

    fn requested(&mut self, authority: &Text, namespace: &str, now_us: u64) -> Text {
        let candidates = [
            authority.to_string(),
            format!("{authority}.cluster.local"),
            format!("{authority}.svc.cluster.local"),
            format!("{authority}.{namespace}.svc.cluster.local"),
        ];
        let service = candidates.iter().find_map(|host| self.reported.get_key_value(host.as_str()));
        match service {
            Some((host, _)) => host.clone(),
            None if self.authorities.admit(authority, now_us) => authority.clone(),
            None => OTHER.clone(),
        }
    }
}

/// Notes a value. Returns whether it is new; two values suffice to see that one is not the only
/// one.
fn insert(values: &mut Dated, value: &Text, now_us: u64) -> bool {
    if values.len() >= SERVERS_MAX && !values.contains_key(value) {
        return false;
    }
    values.insert(value.clone(), now_us).is_none()
}

/// Returns a host as clusters name it: in lower case, without the trailing dot of a complete name.
fn canonical(host: &Text) -> Text {
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() == host.len() && !host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return host.clone();
    }
    name.to_ascii_lowercase().into()
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
