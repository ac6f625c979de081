//! `cargo xtask package`: the filter as an OCI image, in the two forms that Istio's agents pull.
//!
//! In: the filter's sources.
//! Out: two OCI layouts below `target/package`, and the digests of their manifests.
//! Invariant: the same module gives the same bytes: no clock, user or file order is part of them.
//!
//! Source: `extractOCIStandardImage` and `extractOCIArtifactImage` in Istio's
//! `pkg/wasm/imagefetcher.go`. The first form is for registries that accept container images only;
//! the second is the Wasm artifact, which must have two layers.

mod archive;

use crate::module;
use crate::progress::{answer, done, remark, step};
use crate::workspace;
use anyhow::Context;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The form of the module in its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One layer with the file `plugin.wasm`, as an image from `FROM scratch` has it.
    Compat,
    /// The module itself as a layer, and its description as another.
    Artifact,
}

/// An image on disk.
#[derive(Debug, Clone)]
pub(crate) struct Packaged {
    /// An OCI layout: a folder that `crane push`, `skopeo copy oci:…` and `oras` accept.
    pub(crate) layout: PathBuf,
    /// The hexadecimal sha256 of the manifest, for the `sha256` of a `WasmPlugin`.
    pub(crate) digest: String,
    /// The tag of the image.
    pub(crate) tag: String,
}

/// Builds both images and prints their digests.
pub(crate) fn run() -> anyhow::Result<()> {
    build()?;
    for form in [Form::Compat, Form::Artifact] {
        let packaged = packaged(form)?;
        answer(&format!("sha256:{} {} {}", packaged.digest, packaged.tag, packaged.layout.display()));
    }
    done(
        "push one of them (`crane push FOLDER REGISTRY/hopscope/filter:TAG`), and set its digest in the WasmPlugin",
    );
    Ok(())
}

/// Builds the module and both images.
pub(crate) fn build() -> anyhow::Result<()> {
    let module = module::build()?;
    write(&module, "")
}

/// Writes both images of a module. A suffix distinguishes images of other modules.
pub(crate) fn write(module: &Path, suffix: &str) -> anyhow::Result<()> {
    let module = std::fs::read(module)?;
    step("packaging the filter", || {
        for form in [Form::Compat, Form::Artifact] {
            let folder = layout(form, suffix);
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            Layout::create(&folder)?.image(form, &module)?;
            remark(&folder.display().to_string());
        }
        Ok(())
    })
}

/// Returns the built image.
pub(crate) fn packaged(form: Form) -> anyhow::Result<Packaged> {
    packaged_as(form, "")
}

/// Returns the image that was built with this suffix.
pub(crate) fn packaged_as(form: Form, suffix: &str) -> anyhow::Result<Packaged> {
    let layout = layout(form, suffix);
    let index =
        std::fs::read(layout.join("index.json")).context("there is no package; run `cargo xtask package`")?;
    let index: Value = serde_json::from_slice(&index)?;
    let digest = index.pointer("/manifests/0/digest").and_then(Value::as_str).unwrap_or_default();
    let digest = digest.strip_prefix("sha256:").context("the package has no digest")?.to_owned();
    Ok(Packaged { layout, digest, tag: tag(form, suffix) })
}

fn tag(form: Form, suffix: &str) -> String {
    let form = if form == Form::Artifact { "-artifact" } else { "" };
    format!("{}{form}{suffix}", env!("CARGO_PKG_VERSION"))
}

fn layout(form: Form, suffix: &str) -> PathBuf {
    workspace::target().join("package").join(format!("hopscope-filter-{}", tag(form, suffix)))
}

/// An OCI layout that is being written.
struct Layout {
    folder: PathBuf,
}

impl Layout {
    fn create(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder.join("blobs/sha256"))?;
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn image(&self, form: Form, module: &[u8]) -> anyhow::Result<()> {
        let (config, layers) = match form {
            Form::Compat => self.compat(module)?,
            Form::Artifact => self.artifact(module)?,
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": layers,
            "annotations": {
                "org.opencontainers.image.title": "hopscope-filter",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
            },
        });
        let manifest = self.blob(MANIFEST, manifest.to_string().as_bytes())?;
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]});
        Ok(std::fs::write(self.folder.join("index.json"), index.to_string())?)
    }

    fn compat(&self, module: &[u8]) -> anyhow::Result<(Value, Vec<Value>)> {
        let tar = archive::tar("plugin.wasm", module)?;
        let layer = self.blob("application/vnd.oci.image.layer.v1.tar+gzip", &archive::gzip(&tar)?)?;
        let config = json!({
            "architecture": "wasm",
            "os": "wasi",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&tar))]},
        });
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?;
        Ok((config, vec![layer]))
    }

    fn artifact(&self, module: &[u8]) -> anyhow::Result<(Value, Vec<Value>)> {
        let description =
            json!({"type": "envoy_proxy", "abiVersions": ["v0.2.1"], "config": {"rootIds": [""]}});
        let layers = vec![
            self.blob("application/vnd.module.wasm.content.layer.v1+wasm", module)?,
            self.blob(
                "application/vnd.module.wasm.config.layer.v1+json",
                description.to_string().as_bytes(),
            )?,
        ];
        Ok((self.blob("application/vnd.module.wasm.config.v1+json", b"{}")?, layers))
    }

    /// Writes a blob and returns its descriptor.
    fn blob(&self, media_type: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let digest = sha256(bytes);
        std::fs::write(self.folder.join("blobs/sha256").join(&digest), bytes)?;
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
    }
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
