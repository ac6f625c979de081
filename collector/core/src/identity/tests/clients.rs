//! Random clients that connect, claim addresses, report and fall silent.

use super::super::{AddressBook, Settings};
use crate::batch::{Identity, Text};
use crate::settings::seconds_us;
use proptest::prelude::*;
use std::collections::BTreeMap;

const ACCOUNTS: usize = 10;
const ADDRESSES: usize = 60;
const QUIET_S: u64 = 45;

fn identity(client: usize, address: usize) -> Identity {
    Identity {
        namespace: "ns".into(),
        service_account: format!("account-{}", client % ACCOUNTS).into(),
        cluster: "c1".into(),
        addresses: vec![format!("10.0.0.{address}").into()],
        ..Identity::default()
    }
}

/// Number of proxies of each account.
fn shares(address_book: &AddressBook) -> BTreeMap<Text, usize> {
    let mut shares = BTreeMap::new();
    for (_, identity) in address_book.identities() {
        *shares.entry(identity.service_account.clone()).or_default() += 1;
    }
    shares
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A client within the share of its account is never refused, the table stays within its limit,
    /// and an address stays with its holder while that reports, except within one account.
    #[test]
    fn clients_have_their_shares_and_holders_their_addresses(
        steps in proptest::collection::vec((0..1_000_usize, 0..ADDRESSES, 0..4_u64), 1..800),
        proxies_max in 15..120_usize,
    ) {
        let mut address_book = AddressBook::new(Settings { proxies_max, quiet_s: QUIET_S, ..Settings::default() });
        let mut now_s = 1_000;
        for (client, address, pause_s) in steps {
            now_s += pause_s;
            let now_us = seconds_us(now_s);
            address_book.expire(now_us);
            // Few clients come often, and many come once.
            let client = if client % 2 == 0 { client % 80 } else { client };
            let (name, new): (Text, _) = (format!("client-{client}").into(), identity(client, address));
            if client % 3 != 0 && address_book.reports(&name, now_us).is_some() {
                continue;
            }
            let before = address_book.proxy_at(&new.addresses[0]).cloned();
            let held = before.filter(|holder| {
                address_book.known(holder).is_some_and(|(known, last_us)| {
                    last_us + seconds_us(QUIET_S) >= now_us && known.service_account != new.service_account
                })
            });
            let shares = shares(&address_book);
            let mine = shares.get(&new.service_account).copied().unwrap_or(0);
            let accounts = shares.len() + usize::from(mine == 0);
            let is_known = address_book.contains(&name);
            let admitted = is_known || address_book.admits(&new, now_us);
            prop_assert!(admitted || mine >= proxies_max / accounts, "{} of {}", mine, proxies_max / accounts);
            prop_assert_eq!(address_book.introduce(&name, new.clone(), now_us), admitted);
            if admitted {
                address_book.reports(&name, now_us);
            }
            prop_assert!(address_book.proxies() <= proxies_max);
            if let Some(holder) = held.filter(|holder| *holder != name && address_book.contains(holder)) {
                prop_assert_eq!(address_book.proxy_at(&new.addresses[0]), Some(&holder));
            }
        }
    }
}
