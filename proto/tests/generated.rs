//! Keeps the committed bindings equal to what the `.proto` says, without a system `protoc`.

use std::{env, fs, path::Path};

#[test]
fn bindings_equal_the_contract() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/gen/hopscope.v1.rs");
    let before = fs::read_to_string(&committed).unwrap_or_default();

    let out = env::temp_dir().join(format!("hopscope-proto-{}", std::process::id()));
    fs::create_dir_all(&out).expect("failed to create the output folder");
    let descriptors = protox::compile([root.join("hopscope/v1/telemetry.proto")], [root])
        .expect("failed to compile the contract");
    tonic_prost_build::configure()
        .out_dir(&out)
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .build_transport(false)
        .compile_fds(descriptors)
        .expect("failed to generate the bindings");
    let after = fs::read_to_string(out.join("hopscope.v1.rs")).expect("no bindings were generated");
    fs::remove_dir_all(&out).expect("failed to remove the output folder");

    if before != after {
        fs::write(&committed, after).expect("failed to rewrite the bindings");
        panic!("the bindings were stale; they are rewritten now: look at the difference and commit it");
    }
}
