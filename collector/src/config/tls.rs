//! Section `tls`.

use super::section::section;
use std::path::PathBuf;

section! {
    /// TLS at the gRPC door. Without a certificate the door speaks plaintext. The files are looked at for changes, and
    /// new connections get what they hold last; open ones are left alone.
    "tls": Tls {
        /// Certificate chain of the gRPC door, PEM. With it the door speaks TLS only.
        cert: Option<PathBuf> = None;
        /// Its private key, PEM.
        key: Option<PathBuf> = None;
        /// Certificate authorities of the proxies, PEM. With it every proxy has to present a certificate, and may report
        /// only for the namespace and service account in its SPIFFE id.
        client_ca: Option<PathBuf> = None;
        /// Trust domains of the proxies, separated by commas. Empty: every one that the authorities sign for.
        trust_domains: String = String::new();
        /// How often the three files are looked at for changes.
        reload_ms: u64 = 10_000, { unit: "ms", range: (50, 3_600_000) };
    }
}

/// One half of a pair is of no use.
pub(super) fn conflicts(tls: &Tls) -> Vec<(&'static str, String)> {
    let told = |path: &'static str, message: &str| vec![(path, message.to_owned())];
    match (&tls.cert, &tls.key) {
        (Some(_), None) => told("tls.key", "tls.cert is set, and a certificate needs its key"),
        (None, Some(_)) => told("tls.cert", "tls.key is set, and a key needs its certificate"),
        (None, None) if tls.client_ca.is_some() => {
            told("tls.client_ca", "without tls.cert there is no TLS to verify clients in")
        }
        _ if tls.client_ca.is_none() && !tls.trust_domains.is_empty() => {
            told("tls.trust_domains", "without tls.client_ca no client presents a certificate")
        }
        _ => Vec::new(),
    }
}
