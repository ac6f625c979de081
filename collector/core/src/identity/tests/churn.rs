//! Short-lived pods of two clusters with one range of addresses, for a day.

use super::super::{AddressBook, Settings};
use crate::batch::{Edge, Identity, Peer, Reporter};
use crate::identity::Liveness;
use crate::settings::seconds_us;
use std::collections::VecDeque;

const PODS: u64 = 50_000;
const DAY_S: u64 = 86_400;
/// Addresses of each cluster; an address is used again about a minute after its pod has ended.
const ADDRESSES: usize = 400;
const PROXIES_MAX: usize = 2_000;

struct Pod {
    name: String,
    workload: String,
    cluster: &'static str,
    address: usize,
    ends_s: u64,
}

/// A mesh of pods that live for minutes.
struct Mesh {
    address_book: AddressBook,
    pods: VecDeque<Pod>,
    /// Free addresses by cluster, each with the second from which it is used again.
    free: [VecDeque<(u64, usize)>; 2],
    started: u64,
}

impl Mesh {
    fn new() -> Self {
        let limits = Settings { proxies_max: PROXIES_MAX, ..Settings::default() };
        let addresses = || (0..ADDRESSES).map(|address| (0, address)).collect();
        Self {
            address_book: AddressBook::new(limits),
            pods: VecDeque::new(),
            free: [addresses(), addresses()],
            started: 0,
        }
    }

    fn start_pod(&mut self, now_s: u64) {
        let number = self.started;
        self.started += 1;
        let index = usize::try_from(number % 2).unwrap();
        let (from_s, address) = self.free[index].pop_front().expect("a free address");
        assert!(from_s <= now_s, "addresses are free for a minute");
        let cluster = ["c1", "c2"][index];
        let workload = format!("job-{}", number % 97);
        let identity = Identity {
            workload: workload.clone().into(),
            namespace: "batch".into(),
            service_account: format!("account-{}", number % 7).into(),
            cluster: cluster.into(),
            addresses: vec![ip(address).into()],
            ..Identity::default()
        };
        let name = format!("pod-{number}");
        assert!(self.address_book.admits(&identity, seconds_us(now_s)), "pod {number} is refused");
        assert!(self.address_book.introduce(&name.clone().into(), identity, seconds_us(now_s)));
        self.address_book.reports(&name.clone().into(), seconds_us(now_s));
        let ends_s = now_s + 60 + number % 240;
        self.pods.push_back(Pod { name, workload, cluster, address, ends_s });
    }

    /// Every pod reports each 15 s; pods that have ended give up their addresses.
    fn report(&mut self, now_s: u64) {
        let Self { address_book, pods, free, .. } = self;
        pods.retain(|pod| {
            let lives = pod.ends_s > now_s;
            if !lives {
                free[usize::from(pod.cluster == "c2")].push_back((now_s + 60, pod.address));
            }
            lives
        });
        for pod in pods {
            let known = address_book.reports(&pod.name.as_str().into(), seconds_us(now_s));
            assert!(known.is_some(), "{} lives and is not known", pod.name);
        }
    }

    /// The caller with an address, as a proxy of a cluster names it.
    fn caller(&mut self, cluster: &str, address: usize, now_s: u64) -> String {
        let own = Identity { cluster: cluster.into(), ..Identity::default() };
        let peer = Peer { address: ip(address).into(), ..Peer::default() };
        let edge = Edge { reporter: Reporter::Destination, peer, ..Edge::default() };
        if let Some(peer) = self.address_book.peer_proxy(&own, &edge).cloned() {
            self.address_book.note_alive(&peer, seconds_us(now_s));
        }
        self.address_book.resolve(&own, &edge).source.workload.to_string()
    }
}

fn ip(address: usize) -> String {
    format!("10.0.{}.{}", address / 250, address % 250)
}

#[test]
fn short_lived_pods_with_reused_addresses_are_named_right_and_none_is_refused() {
    let mut mesh = Mesh::new();
    for now_s in (0..DAY_S).step_by(5) {
        mesh.address_book.expire(seconds_us(now_s));
        while mesh.started * DAY_S < PODS * now_s {
            mesh.start_pod(now_s);
        }
        if now_s % 15 != 0 {
            continue;
        }
        mesh.report(now_s);
        let living: Vec<_> =
            mesh.pods.iter().map(|pod| (pod.cluster, pod.address, pod.workload.clone())).collect();
        for (cluster, address, workload) in living.iter().step_by(11) {
            assert_eq!(mesh.caller(cluster, *address, now_s), *workload);
        }
        // Pods without a filter use addresses that have been free for a minute.
        for (index, cluster) in ["c1", "c2"].into_iter().enumerate() {
            let free = mesh.free[index].front().copied().filter(|(from_s, _)| *from_s <= now_s);
            let name = free.map(|(_, address)| mesh.caller(cluster, address, now_s));
            assert!(name.is_none_or(|name| name == "unknown"), "{free:?}");
        }
        let blind = mesh.address_book.count_by_liveness(Liveness::NotReporting, seconds_us(now_s));
        assert_eq!((blind, mesh.address_book.proxies() <= PROXIES_MAX), (0, true));
    }
    assert!(mesh.started >= PODS - 10 && mesh.address_book.proxies_evicted() > 40_000);
}
