use super::*;
use crate::address::Block;

fn mesh() -> MeshContext {
    let topology = Topology::shipped().unwrap();
    let plan = AddressPlan::choose(&topology, &Block::claim().unwrap()).unwrap();
    MeshContext { topology, plan, collector: "127.0.0.1:50051".parse().unwrap() }
}

fn rendered(mesh: &MeshContext, id: &str, module: Option<&str>) -> Value {
    let settings = ProxySettings {
        identity: IdentityFiles {
            certificate: "c.pem".into(),
            key: "k.pem".into(),
            authority: "r.pem".into(),
        },
        filter: FilterSettings::reporting(module.map(PathBuf::from)),
        logs: AccessLogs { incomplete_heads: "incomplete.log".into(), requests: Some("requests.log".into()) },
    };
    let yaml = mesh.render(mesh.topology.workload(id).unwrap(), &settings).unwrap();
    serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn a_sidecar_has_the_names_of_istio() {
    let mesh = mesh();
    let address = mesh.plan.of("shop-v1").unwrap().ip;
    let shop = rendered(&mesh, "shop-v1", None);
    assert_eq!(
        shop["node"]["id"],
        format!("sidecar~{address}~shop-v1-5c7f8d9b64-h2v9k.shop~shop.svc.cluster.local")
    );
    assert_eq!(shop["node"]["metadata"]["LABELS"]["service.istio.io/canonical-revision"], "v1");

    let resources = &shop["static_resources"];
    let inbound = named(&resources["listeners"], &format!("{address}_8080"));
    assert_eq!(inbound["traffic_direction"], "INBOUND");
    let manager = &inbound["filter_chains"][1]["filters"][0]["typed_config"];
    assert_eq!(manager["stat_prefix"], format!("inbound_{address}_8080;"));

    let cluster = named(&resources["clusters"], "outbound|8080|v1|payments.shop.svc.cluster.local");
    assert_eq!(cluster["alt_stat_name"], "outbound|8080|v1|payments.shop.svc.cluster.local;");
    assert_eq!(cluster["metadata"]["filter_metadata"]["istio"]["subset"], "v1");
    let tls = &cluster["transport_socket_matches"][0]["transport_socket"]["typed_config"];
    assert_eq!(tls["sni"], "outbound_.8080_.v1_.payments.shop.svc.cluster.local");
    let endpoint = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
    assert_eq!(
        endpoint["metadata"]["filter_metadata"]["istio"]["workload"],
        "payments;shop;payments;v1;Kubernetes"
    );
}

#[test]
fn faults_do_not_affect_the_normal_path() {
    let mesh = mesh();
    let shop = rendered(&mesh, "shop-v1", None);
    let clusters = &shop["static_resources"]["clusters"];
    let pending = |subset: &str| {
        let name = format!("outbound|8080|{subset}|payments.shop.svc.cluster.local");
        named(clusters, &name)["circuit_breakers"]["thresholds"][0]["max_pending_requests"].clone()
    };
    assert_eq!(pending("limited"), 1);
    assert_eq!(pending("v1"), u32::MAX);

    let hop = mesh.plan.of_hop("slow-answers").unwrap();
    let delayed = named(clusters, "outbound|8080|delayed|payments.shop.svc.cluster.local");
    let endpoint = &delayed["load_assignment"]["endpoints"][0]["lb_endpoints"][0];
    let socket = &endpoint["endpoint"]["address"]["socket_address"];
    assert_eq!(socket["address"], hop.ip().to_string());
    assert_eq!(
        endpoint["metadata"]["filter_metadata"]["istio"]["workload"],
        "payments;shop;payments;v1;Kubernetes"
    );
}

#[test]
fn a_gateway_is_a_router_without_an_application() {
    let gateway = rendered(&mesh(), "gateway-v1", None);
    assert!(gateway["node"]["id"].as_str().unwrap().starts_with("router~"));
    let listeners = gateway["static_resources"]["listeners"].as_array().unwrap();
    assert_eq!(listeners.len(), 1);
    let manager = &listeners[0]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_eq!(manager["use_remote_address"], true);
}

#[test]
fn the_filter_stands_before_grpc_stats_and_only_with_a_module() {
    let mesh = mesh();
    let filters = |module| {
        let shop = rendered(&mesh, "shop-v1", module);
        shop["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"].clone()
    };
    let with = filters(Some("/m/\"quoted\".wasm"));
    assert_eq!(with[0]["name"], "envoy.filters.http.wasm");
    let config = &with[0]["typed_config"]["config"];
    assert_eq!(config["failure_policy"], "FAIL_OPEN");
    assert_eq!(config["vm_config"]["code"]["local"]["filename"], "/m/\"quoted\".wasm");
    let configuration: Value =
        serde_json::from_str(config["configuration"]["value"].as_str().unwrap()).unwrap();
    assert_eq!(configuration["collector"]["cluster"], COLLECTOR_CLUSTER);
    assert_eq!(with[1]["name"], "envoy.filters.http.grpc_stats");
    assert_eq!(filters(None)[0]["name"], "envoy.filters.http.grpc_stats");
}
