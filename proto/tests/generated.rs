//! Compares the committed bindings with the `.proto` files, without a system `protoc`.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scratch(name: &str) -> PathBuf {
    let out = env::temp_dir().join(format!("hopscope-proto-{}-{name}", std::process::id()));
    fs::create_dir_all(&out).expect("failed to create the output folder");
    out
}

/// Compares the output of `generate` with the committed bindings, one file per package, and
/// rewrites stale ones.
fn check(name: &str, packages: &[&str], generate: impl FnOnce(&Path)) {
    let out = scratch(name);
    generate(&out);
    let mut stale = Vec::new();
    for package in packages {
        let committed = root().join(format!("src/gen/{package}.rs"));
        let before = fs::read_to_string(&committed).unwrap_or_default();
        let after =
            fs::read_to_string(out.join(format!("{package}.rs"))).expect("no bindings were generated");
        if before != after {
            fs::write(&committed, after).expect("failed to rewrite the bindings");
            stale.push(*package);
        }
    }
    fs::remove_dir_all(&out).expect("failed to remove the output folder");
    assert!(
        stale.is_empty(),
        "the bindings of {stale:?} were stale and have been regenerated: review the diff and commit it"
    );
}

#[test]
fn bindings_equal_the_contract() {
    check("contract", &["hopscope.v1"], |out| {
        let descriptors = protox::compile([root().join("hopscope/v1/telemetry.proto")], [root()])
            .expect("failed to compile the contract");
        tonic_prost_build::configure()
            .out_dir(out)
            .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
            .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
            .build_transport(false)
            .compile_fds(descriptors)
            .expect("failed to generate the bindings");
    });
}

#[test]
fn bindings_equal_the_subset_of_envoy() {
    let packages = ["envoy.config.core.v3", "envoy.data.accesslog.v3", "envoy.service.accesslog.v3"];
    check("envoy", &packages, |out| {
        let descriptors = protox::compile([root().join("envoy/service/accesslog/v3/als.proto")], [root()])
            .expect("failed to compile the subset of Envoy's API");
        tonic_prost_build::configure()
            .out_dir(out)
            .build_client(false)
            .build_server(false)
            .build_transport(false)
            .compile_fds(descriptors)
            .expect("failed to generate the bindings");
    });
}
