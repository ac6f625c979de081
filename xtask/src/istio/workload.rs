//! Workloads of the mesh: one entry per Deployment, with one pod each.
//!
//! In: `xtask/istio/mesh/workloads.yaml`, or `loopback.yaml`.
//! Out: pods as a Deployment would create them.
//! Invariant: a pod has a `ReplicaSet` as its owner and a generated name, from which istiod derives
//! the workload's name.

use super::control_plane::mesh_file;
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The hash that a Deployment adds to the name of its `ReplicaSet`.
const TEMPLATE_HASH: &str = "7d9c5b8f6";

/// One Deployment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workload {
    /// The name of the Deployment.
    pub(super) name: String,
    /// The namespace; none for a machine outside of the cluster.
    pub(super) namespace: Option<String>,
    /// The address of the pod.
    pub(super) address: String,
    /// Labels of the pod.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    /// The service account; by default the label `app`.
    account: Option<String>,
    /// Empty volumes of the pod.
    #[serde(default)]
    volumes: Vec<String>,
    /// Whether the pod is a gateway, which has a proxy only.
    #[serde(default)]
    pub(super) gateway: bool,
    /// A program of this workspace with its arguments; none for a gateway.
    #[serde(default)]
    pub(super) runs: Vec<String>,
    /// Ports of the application.
    #[serde(default)]
    ports: Vec<u16>,
}

/// Reads all workloads, in start order.
pub(super) fn all() -> anyhow::Result<Vec<Workload>> {
    read(&mesh_file("workloads.yaml")?)
}

/// Parses workloads.
pub(super) fn read(text: &str) -> anyhow::Result<Vec<Workload>> {
    serde_saphyr::from_str(text).context("failed to read workloads")
}

impl Workload {
    /// Returns the service account.
    pub(super) fn account(&self) -> &str {
        let app = self.labels.get("app").map(String::as_str);
        self.account.as_deref().or(app).unwrap_or("default")
    }

    /// Returns the port on which a ready application accepts connections.
    pub(super) fn port(&self) -> Option<u16> {
        self.ports.first().copied()
    }

    /// Whether the pod has a proxy beside the application.
    pub(super) fn has_sidecar(&self) -> bool {
        let declined = self.annotations.get("sidecar.istio.io/inject").is_some_and(|wish| wish == "false");
        self.namespace.is_some() && !self.gateway && !declined
    }

    /// Returns the labels that Istio's injector sets on the pod.
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

    /// Returns the pod for the API server; none outside of the cluster.
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
