//! A generated mesh: 240 services, two versions of each, in two sites, one proxy per version and
//! site.
//!
//! In: a number of edges. Out: proxies with identities, edges between them, hops drawn from these
//! edges.
//! Invariant: nine of ten calls stay within a site; both sides of a hop have one request id.

use super::zipf::Zipf;
use hopscope_mesh::random::Random;
use hopscope_proto::v1;
use std::collections::HashSet;

const SERVICES: usize = 240;
/// Number of services where 240 do not have enough pairs.
const SERVICES_OF_MANY: usize = 720;
const MANY_EDGES: usize = 100_000;
const VERSIONS: usize = 2;
const SITES: usize = 2;

/// One of 100 hops fails.
const FAILS_ONCE_IN: usize = 100;
/// One of 100 hops has two attempts.
const RETRIED_ONCE_IN: usize = 100;

/// A mesh.
#[derive(Debug)]
pub(crate) struct Mesh {
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) edges: Vec<(usize, usize)>,
}

/// One workload version in one site.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) site: String,
    pub(crate) address: String,
}

/// One hop of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) edge: usize,
    pub(crate) id: u32,
    pub(crate) start_us: u64,
    pub(crate) duration_us: u64,
    pub(crate) fails: bool,
    pub(crate) attempts: u32,
}

impl Mesh {
    pub(crate) fn new(edges: usize) -> Self {
        let services = if edges > MANY_EDGES { SERVICES_OF_MANY } else { SERVICES };
        let proxies: Vec<Proxy> = (0..services * VERSIONS * SITES).map(Proxy::new).collect();
        let mut random = Random::new(1);
        let mut known = HashSet::new();
        let mut list = Vec::with_capacity(edges);
        // Random draws within a site do not find every pair soon: a quarter of all pairs is the
        // limit.
        while list.len() < edges.min(proxies.len() * proxies.len() / 4) {
            let from = random.below(proxies.len());
            let to = random.below(proxies.len());
            let elsewhere = random.once_in(10);
            let same_site = to / SITES * SITES + from % SITES;
            let edge = (from, if elsewhere { to } else { same_site });
            if known.insert(edge) {
                list.push(edge);
            }
        }
        Self { proxies, edges: list }
    }

    /// Hops between the first `proxies` proxies, 1 µs apart, drawn from their edges by Zipf's law.
    pub(crate) fn hops(&self, count: usize, proxies: usize) -> Vec<Hop> {
        let active = |edge: &(usize, usize)| edge.0.max(edge.1) < proxies;
        let edges = self.edges.iter().enumerate().filter(|(_, edge)| active(edge));
        let edges: Vec<usize> = edges.map(|(index, _)| index).collect();
        let popularity = Zipf::new(edges.len());
        let mut random = Random::new(2);
        let mut hops = Vec::with_capacity(count);
        for index in 0..count {
            let Some(edge) = edges.get(popularity.draw(&mut random)) else { break };
            hops.push(hop(index, *edge, &mut random));
        }
        hops
    }

    /// One hop of each edge.
    pub(crate) fn each_once(&self) -> Vec<Hop> {
        let mut random = Random::new(3);
        (0..self.edges.len()).map(|edge| Hop { fails: false, ..hop(edge, edge, &mut random) }).collect()
    }
}

fn hop(index: usize, edge: usize, random: &mut Random) -> Hop {
    Hop {
        edge,
        id: (random.number() >> 32) as u32,
        start_us: index as u64,
        duration_us: 500 + random.number() % 20_000,
        fails: random.once_in(FAILS_ONCE_IN),
        attempts: if random.once_in(RETRIED_ONCE_IN) { 2 } else { 1 },
    }
}

impl Proxy {
    fn new(index: usize) -> Self {
        let service = index / (VERSIONS * SITES);
        let version = index / SITES % VERSIONS + 1;
        let site = index % SITES + 1;
        let address = format!("10.{site}.{}.{}", index / 250, index % 250 + 1);
        Self {
            name: format!("sidecar~{address}~svc{service}-v{version}-{index}.shop~shop.svc.cluster.local"),
            service: format!("svc{service}"),
            version: format!("v{version}"),
            site: format!("site{site}"),
            address,
        }
    }

    pub(crate) fn identity(&self) -> v1::Identity {
        v1::Identity {
            workload: format!("{}-{}", self.service, self.version),
            namespace: "shop".into(),
            app: self.service.clone(),
            version: self.version.clone(),
            canonical_service: self.service.clone(),
            canonical_revision: self.version.clone(),
            service_account: self.service.clone(),
            cluster: self.site.clone(),
            addresses: vec![self.address.clone()],
            ..v1::Identity::default()
        }
    }
}
