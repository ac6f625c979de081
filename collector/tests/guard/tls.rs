//! Certificates: accepted clients, the identity for which a client reports, and rotation.

use super::certificates::{Authority, Dial, options};
use super::harness::{Collector, batch, config, report};
use hopscope::runtime::server::Server;
use std::os::unix::fs::symlink;
use std::path::Path;
use tonic::Code;

const PAY: &str = "spiffe://cluster.local/ns/shop/sa/pay";
const WEB: &str = "spiffe://cluster.local/ns/shop/sa/web";

async fn start(directory: &Path, more: &[&str]) -> Collector {
    let options = options(directory);
    let options: Vec<&str> = options.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Collector::start(&options).await
}

#[tokio::test]
async fn a_proxy_reports_only_for_the_identity_in_its_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.install(directory.path());
    let collector = start(directory.path(), &[]).await;
    let pay = Dial::new(&collector, &authority, Some(&authority.issue(PAY))).connect().await.unwrap();
    let web = Dial::new(&collector, &authority, Some(&authority.issue(WEB))).connect().await.unwrap();
    assert_eq!(report(&pay, batch("pay", 1)).await.unwrap().accepted_sequence, 1);

    // The client claims the identity of the other proxy, then uses its name, with its own identity
    // and with none.
    let mut named = batch("pay", 2);
    named.identity = batch("web", 2).identity;
    let mut silent = batch("pay", 2);
    silent.identity = None;
    for (number, stolen) in (1..).zip([batch("pay", 2), named, silent]) {
        let status = report(&web, stolen).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert!(status.message().contains(WEB), "{status:?}");
        assert_eq!(collector.rejected("identity_mismatch").await, number);
    }
    assert_eq!(collector.sample("hopscope_ledger_delivered_total").await, 1);

    // The valid clients are not affected.
    assert_eq!(report(&web, batch("web", 1)).await.unwrap().accepted_sequence, 1);
    assert_eq!(report(&pay, batch("pay", 2)).await.unwrap().accepted_sequence, 2);
    drop((pay, web));
    collector.stop().await;
}

#[tokio::test]
async fn a_certificate_without_a_workload_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.install(directory.path());
    let collector = start(directory.path(), &["--tls-trust-domains", "cluster.local,other"]).await;
    for name in ["pay.shop", "spiffe://cluster.local/pay", "spiffe://elsewhere/ns/shop/sa/pay"] {
        let pair = authority.issue(name);
        let client = Dial::new(&collector, &authority, Some(&pair)).connect().await.unwrap();
        let status = report(&client, batch("pay", 1)).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{name}: {status:?}");
    }
    assert_eq!(collector.rejected("identity_mismatch").await, 3);
    collector.stop().await;
}

#[tokio::test]
async fn a_client_without_a_trusted_certificate_is_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, untrusted) = (Authority::new(), Authority::new());
    authority.install(directory.path());
    let collector = start(directory.path(), &["--handshake-timeout-ms", "500"]).await;
    let pair = untrusted.issue(PAY);
    for pair in [None, Some(&pair)] {
        // A TLS 1.3 handshake ends at the client before the server checks the certificate.
        if let Ok(client) = Dial::new(&collector, &authority, pair).connect().await {
            report(&client, batch("pay", 1)).await.unwrap_err();
        }
    }
    let plaintext = tonic::transport::Endpoint::from_shared(format!("http://{}", collector.grpc)).unwrap();
    if let Ok(client) = plaintext.connect().await {
        report(&client, batch("pay", 1)).await.unwrap_err();
    }
    // A client may retry, so the count may exceed the number of clients.
    assert!(collector.unserved("tls").await >= 3);
    assert_eq!(collector.sample("hopscope_grpc_connections_accepted_total").await, 0);
    collector.stop().await;
}

#[tokio::test]
async fn a_certificate_changes_without_dropping_a_connection() {
    let directory = tempfile::tempdir().unwrap();
    // The layout of a Kubernetes secret: the files are links through a link to a directory, which
    // is swapped.
    let (old, new) = (Authority::new(), Authority::new());
    old.install(&directory.path().join("1"));
    new.install(&directory.path().join("2"));
    let data = directory.path().join("..data");
    symlink("1", &data).unwrap();
    for file in ["tls.crt", "tls.key", "ca.crt"] {
        symlink(Path::new("..data").join(file), directory.path().join(file)).unwrap();
    }
    let collector = start(directory.path(), &["--tls-reload-interval-ms", "50"]).await;
    let pair = old.issue(PAY);
    let before = Dial::new(&collector, &old, Some(&pair)).connect().await.unwrap();
    assert_eq!(report(&before, batch("pay", 1)).await.unwrap().accepted_sequence, 1);

    let next = directory.path().join("..data_tmp");
    symlink("2", &next).unwrap();
    std::fs::rename(&next, &data).unwrap();
    collector.until("hopscope_tls_loads_total", 2).await;
    let after = Dial::new(&collector, &new, Some(&new.issue(PAY))).connect().await.unwrap();
    assert_eq!(report(&after, batch("pay", 2)).await.unwrap().accepted_sequence, 2);
    assert_eq!(report(&before, batch("pay", 3)).await.unwrap().accepted_sequence, 3);
    assert_eq!(
        collector.sample("hopscope_grpc_connections_accepted_total").await,
        2,
        "the first connection stays open"
    );
    assert_eq!(collector.sample("hopscope_tls_load_failures_total").await, 0);
    drop((before, after));
    collector.stop().await;
}

#[tokio::test]
async fn an_incomplete_rotation_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.install(directory.path());
    let collector = start(directory.path(), &["--tls-reload-interval-ms", "50"]).await;
    let pair = authority.issue("collector");
    std::fs::write(directory.path().join("tls.crt"), &pair.certificate).unwrap();
    collector.until_at_least("hopscope_tls_load_failures_total", 1).await;
    let client = Dial::new(&collector, &authority, Some(&authority.issue(PAY))).connect().await.unwrap();
    assert_eq!(report(&client, batch("pay", 1)).await.unwrap().accepted_sequence, 1);
    std::fs::write(directory.path().join("tls.key"), &pair.key).unwrap();
    collector.until("hopscope_tls_loads_total", 2).await;
    drop(client);
    collector.stop().await;
}

#[tokio::test]
async fn invalid_files_are_named_before_the_server_starts() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.install(directory.path());
    let options = options(directory.path());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    for (file, contents, expected) in [
        (
            "tls.key",
            authority.issue("collector").key,
            "the certificate and its key are invalid or do not match",
        ),
        ("tls.key", String::new(), "tls.key holds no private key"),
        ("ca.crt", "nonsense".into(), "ca.crt holds no certificate"),
    ] {
        authority.install(directory.path());
        std::fs::write(directory.path().join(file), contents).unwrap();
        let Err(error) = Server::bind(config(&options)).await else { panic!("{expected}") };
        let text = format!("{:#}", anyhow::Error::from(error));
        assert!(text.contains(expected), "{text}");
    }
    std::fs::remove_file(directory.path().join("tls.crt")).unwrap();
    let Err(error) = Server::bind(config(&options)).await else { panic!("no certificate") };
    let text = format!("{:#}", anyhow::Error::from(error));
    assert!(text.contains("cannot read") && text.contains("tls.crt"), "{text}");
}
