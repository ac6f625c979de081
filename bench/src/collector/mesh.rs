//! A mesh that is only imagined: 240 services, two versions of each, in two sites, one proxy per version and site.
//!
//! In: how many edges. Out: proxies with identities, edges between them, and hops drawn from them. Always holds: calls
//! stay within a site nine times in ten; both sides of a hop have one request id.

use super::random::{Random, Zipf};
use hopscope_proto::v1;
use std::collections::HashSet;

const SERVICES: usize = 240;
/// So many where 240 do not have enough pairs.
const SERVICES_OF_MANY: usize = 720;
const MANY_EDGES: usize = 100_000;
const VERSIONS: usize = 2;
const SITES: usize = 2;

/// One hop in so many fails.
const FAILS_ONCE_IN: usize = 100;
/// One hop in so many is tried twice.
const RETRIED_ONCE_IN: usize = 100;

/// All of it.
#[derive(Debug)]
pub(crate) struct Mesh {
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) edges: Vec<(usize, usize)>,
    popularity: Zipf,
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

/// One call.
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
        // Within a site, and drawn by chance, not every pair comes soon.
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
        let edges = list;
        let popularity = Zipf::new(edges.len());
        Self { proxies, edges, popularity }
    }

    /// So many hops, 1 µs apart, drawn from the edges after Zipf's law.
    pub(crate) fn hops(&self, count: usize) -> Vec<Hop> {
        let mut random = Random::new(2);
        (0..count).map(|place| hop(place, self.popularity.draw(&mut random), &mut random)).collect()
    }

    /// One hop of each edge.
    pub(crate) fn each_once(&self) -> Vec<Hop> {
        let mut random = Random::new(3);
        (0..self.edges.len()).map(|edge| Hop { fails: false, ..hop(edge, edge, &mut random) }).collect()
    }
}

fn hop(place: usize, edge: usize, random: &mut Random) -> Hop {
    Hop {
        edge,
        id: (random.next() >> 32) as u32,
        start_us: place as u64,
        duration_us: 500 + random.next() % 20_000,
        fails: random.once_in(FAILS_ONCE_IN),
        attempts: if random.once_in(RETRIED_ONCE_IN) { 2 } else { 1 },
    }
}

impl Proxy {
    fn new(place: usize) -> Self {
        let service = place / (VERSIONS * SITES);
        let version = place / SITES % VERSIONS + 1;
        let site = place % SITES + 1;
        let address = format!("10.{site}.{}.{}", place / 250, place % 250 + 1);
        Self {
            name: format!("sidecar~{address}~svc{service}-v{version}-{place}.shop~shop.svc.cluster.local"),
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
