//! What is to run in the mesh: one entry per Deployment, of one pod.
//!
//! In: `xtask/istio/mesh/workloads.yaml`, or `loopback.yaml`. Out: pods as a Deployment would make them. Always holds: a pod has a
//! `ReplicaSet` for an owner and a generated name, since istiod takes the workload's name from there.

use super::control_plane::mesh_file;
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The hash that a Deployment would put into the name of its `ReplicaSet`.
const TEMPLATE_HASH: &str = "7d9c5b8f6";

/// One Deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workload {
    /// Of the Deployment.
    pub(super) name: String,
    /// Where it lives; none for a machine outside of the cluster.
    pub(super) namespace: Option<String>,
    /// Of its pod.
    pub(super) address: String,
    /// Of its pod.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    /// Of its pod.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// Its service account; by default the label `app`.
    account: Option<String>,
    /// Empty folders that containers of its pod share.
    #[serde(default)]
    volumes: Vec<String>,
    /// Nothing but a proxy.
    #[serde(default)]
    pub(super) gateway: bool,
    /// A program of this workspace and its arguments; none for a gateway.
    #[serde(default)]
    pub(super) runs: Vec<String>,
    /// Ports of the application.
    #[serde(default)]
    ports: Vec<u16>,
}

/// All of them, in the order in which they start.
pub(super) fn all() -> anyhow::Result<Vec<Workload>> {
    read(&mesh_file("workloads.yaml")?)
}

/// Those in a text.
pub(super) fn read(text: &str) -> anyhow::Result<Vec<Workload>> {
    serde_saphyr::from_str(text).context("failed to read workloads")
}

impl Workload {
    /// Its service account.
    pub(super) fn account(&self) -> &str {
        let app = self.labels.get("app").map(String::as_str);
        self.account.as_deref().or(app).unwrap_or("default")
    }

    /// The port that tells that the application is there.
    pub(super) fn port(&self) -> Option<u16> {
        self.ports.first().copied()
    }

    /// Whether there is a proxy beside the application.
    pub(super) fn has_sidecar(&self) -> bool {
        let declined = self.annotations.get("sidecar.istio.io/inject").is_some_and(|wish| wish == "false");
        self.namespace.is_some() && !self.gateway && !declined
    }

    /// The labels that Istio's injector would leave on its pod.
    pub(super) fn labels_of_pod(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        let named = [("canonical-name", self.account()), ("canonical-revision", self.version())];
        for (name, value) in named {
            labels.insert(format!("service.istio.io/{name}"), value.to_owned());
        }
        labels.entry("security.istio.io/tlsMode".to_owned()).or_insert_with(|| "istio".to_owned());
        labels
    }

    fn version(&self) -> &str {
        self.labels.get("version").map_or("latest", String::as_str)
    }

    /// Its pod, for the API server; none outside of the cluster.
    pub(super) fn pod(&self) -> Option<Value> {
        let namespace = self.namespace.as_ref()?;
        let replica_set = format!("{}-{TEMPLATE_HASH}", self.name);
        let mut labels = self.labels.clone();
        let volumes: Vec<Value> =
            self.volumes.iter().map(|name| json!({"name": name, "emptyDir": {}})).collect();
        labels.insert("pod-template-hash".to_owned(), TEMPLATE_HASH.to_owned());
        Some(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": namespace,
                "generateName": format!("{replica_set}-"),
                "labels": labels,
                "annotations": self.annotations,
                "ownerReferences": [{
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": replica_set,
                    "controller": true,
                    "uid": "00000000-0000-0000-0000-000000000001",
                }],
            },
            "spec": {
                "serviceAccountName": self.account(),
                "nodeName": "node-1",
                "containers": [self.container()],
                "volumes": volumes,
            },
        }))
    }

    fn container(&self) -> Value {
        if self.gateway {
            return json!({"name": "istio-proxy", "image": "auto"});
        }
        let ports: Vec<Value> = self.ports.iter().map(|port| json!({"containerPort": port})).collect();
        json!({"name": self.account(), "image": "none", "ports": ports})
    }
}
