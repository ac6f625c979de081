//! The programs of Kubernetes and Istio, built from pinned Go modules.
//!
//! In: the wrapper modules in `xtask/istio/go`, each with its `go.sum`.
//! Out: programs in `target/istio/bin`.
//! Invariant: a program counts as built only when it was built from the present wrapper module; an
//! interrupted build is repeated.

use crate::process;
use crate::progress::step;
use crate::workspace;
use anyhow::{Context, bail};
use std::path::PathBuf;
use std::process::Command;

/// The release of the pinned commit of `istio.io/istio`; shown as `ISTIO_VERSION`.
const ISTIO: &str = "1.31.0";

/// The release of Kubernetes that this istiod was built against.
const KUBERNETES: &str = "v1.36.1";

/// One program.
struct Program {
    name: &'static str,
    /// Folder below `xtask/istio/go`.
    module: &'static str,
    package: &'static str,
    tags: &'static str,
    /// Build time on two busy cores with an empty cache, seconds; for the estimate only.
    build_s: u64,
}

/// Programs in build order; those with common packages are adjacent.
const PROGRAMS: [Program; 7] = [
    Program { name: "etcd", module: "etcd", package: ".", tags: "", build_s: 60 },
    Program {
        name: "crane",
        module: "crane",
        package: "github.com/google/go-containerregistry/cmd/crane",
        tags: "",
        build_s: 15,
    },
    Program {
        name: "kube-apiserver",
        module: "kubernetes",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        tags: "",
        build_s: 300,
    },
    Program {
        name: "kubectl",
        module: "kubernetes",
        package: "k8s.io/kubernetes/cmd/kubectl",
        tags: "",
        build_s: 40,
    },
    Program {
        name: "pilot-discovery",
        module: "istio",
        package: "istio.io/istio/pilot/cmd/pilot-discovery",
        tags: "vtprotobuf,disable_pgv",
        build_s: 300,
    },
    Program {
        name: "istioctl",
        module: "istio",
        package: "istio.io/istio/istioctl/cmd/istioctl",
        tags: "vtprotobuf,disable_pgv",
        build_s: 60,
    },
    Program {
        name: "pilot-agent",
        module: "istio",
        package: "istio.io/istio/pilot/cmd/pilot-agent",
        tags: "agent,disable_pgv",
        build_s: 20,
    },
];

/// Istio's custom resource definitions, and the template of a sidecar's bootstrap.
const FILES: [&str; 2] =
    ["manifests/charts/base/files/crd-all.gen.yaml", "tools/packaging/common/envoy_bootstrap.json"];

/// Builds the missing programs and prints the estimated time left.
pub(crate) fn build() -> anyhow::Result<()> {
    let missing: Vec<&Program> = PROGRAMS.iter().filter(|program| !program.is_built()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    go_version()?;
    std::fs::create_dir_all(folder())?;
    for (index, program) in missing.iter().enumerate() {
        let left_s: u64 = missing.iter().skip(index).map(|left| left.build_s).sum();
        let what = format!(
            "building {} ({} of {}; about {} min left on two cores, less where Go has a cache)",
            program.name,
            index + 1,
            missing.len(),
            left_s.div_ceil(60)
        );
        step(&what, || program.build())?;
    }
    Ok(())
}

/// The path of a program after [`build`].
pub(crate) fn path(name: &str) -> PathBuf {
    folder().join(name)
}

fn folder() -> PathBuf {
    workspace::target().join("istio/bin")
}

fn module(name: &str) -> PathBuf {
    workspace::root().join("xtask/istio/go").join(name)
}

impl Program {
    fn is_built(&self) -> bool {
        let recipe = self.recipe().ok();
        path(self.name).exists() && recipe.is_some() && std::fs::read_to_string(self.stamp()).ok() == recipe
    }

    fn stamp(&self) -> PathBuf {
        folder().join(format!("{}.built-from", self.name))
    }

    /// Returns the inputs of the build.
    fn recipe(&self) -> anyhow::Result<String> {
        let pinned = std::fs::read_to_string(module(self.module).join("go.mod"))?;
        Ok(format!("{pinned}\n{} {} {}\n", self.package, self.tags, stamps(self.module)))
    }

    fn build(&self) -> anyhow::Result<()> {
        let mut go = Command::new("go");
        go.current_dir(module(self.module)).env("CGO_ENABLED", "0");
        go.args(["build", "-mod=readonly", "-trimpath", "-tags", self.tags]);
        // The linker drops debug information anyway (-w); to make it takes a tenth of the compile
        // time.
        go.arg("-gcflags=all=-dwarf=false");
        go.arg("-ldflags").arg(format!("-s -w {}", stamps(self.module)));
        go.arg("-o").arg(path(self.name)).arg(self.package);
        process::run(&mut go)?;
        if self.module == "istio" {
            files()?;
        }
        Ok(std::fs::write(self.stamp(), self.recipe()?)?)
    }
}

/// Copies the files of the istio module that are not programs.
fn files() -> anyhow::Result<()> {
    let mut list = Command::new("go");
    list.current_dir(module("istio")).args(["list", "-m", "-f", "{{.Dir}}", "istio.io/istio"]);
    let source = PathBuf::from(process::quietly(&mut list)?.trim());
    for file in FILES {
        let name = file.rsplit('/').next().unwrap_or(file);
        // The module cache is read-only; a plain copy would be read-only as well and could not be
        // replaced.
        std::fs::write(path(name), std::fs::read(source.join(file))?)?;
    }
    Ok(())
}

/// Returns the linker flags that set the version of a module's programs.
fn stamps(module: &str) -> String {
    let version = "istio.io/istio/pkg/version";
    match module {
        "istio" => format!("-X {version}.buildVersion={ISTIO} -X {version}.buildTag={ISTIO}"),
        "kubernetes" => {
            let version = "k8s.io/component-base/version";
            format!("-X {version}.gitVersion={KUBERNETES} -X {version}.gitMajor=1 -X {version}.gitMinor=36")
        }
        _ => String::new(),
    }
}

/// Checks the version that the wrapper modules require; the error of Go itself is less clear.
fn go_version() -> anyhow::Result<()> {
    let answer = process::quietly(Command::new("go").args(["env", "GOVERSION"]))
        .context("Go 1.26 or newer is needed to build Istio and Kubernetes; put it on the path")?;
    let version = answer.trim().strip_prefix("go1.").and_then(|rest| rest.split('.').next());
    match version.and_then(|minor| minor.parse::<u32>().ok()) {
        Some(minor) if minor >= 26 => Ok(()),
        _ => bail!("Go 1.26 or newer is needed to build Istio and Kubernetes; this is {}", answer.trim()),
    }
}
