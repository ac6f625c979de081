use std::net::SocketAddr;

use http_body_util::{Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn;
use hyper::{Request, Response, StatusCode};
use tokio::sync::mpsc;

use super::*;
use crate::address::Block;
use crate::address_plan::AddressPlan;
use crate::eventually::eventually;

const SOON: Duration = Duration::from_secs(5);

/// Applications on a block of addresses of their own.
struct Pods {
    topology: Arc<Topology>,
    plan: AddressPlan,
    tasks: JoinSet<()>,
    _block: Block,
}

impl Pods {
    fn new() -> Self {
        let topology = Topology::shipped().unwrap();
        let block = Block::claim().unwrap();
        let plan = AddressPlan::choose(&topology, &block).unwrap();
        Self { topology: Arc::new(topology), plan, tasks: JoinSet::new(), _block: block }
    }

    async fn application(&mut self, id: &str) -> SocketAddr {
        let workload = self.topology.workload(id).unwrap();
        let pod = self.plan.of(id).unwrap();
        let server = Server::bind(&self.topology, workload, pod).await.unwrap();
        self.tasks.spawn(server.serve());
        (pod.ip, pod.application).into()
    }

    /// Replaces the Envoy of a workload: records each request with its peer, and answers 418 or
    /// never.
    async fn outbound(
        &mut self,
        id: &str,
        answers: bool,
    ) -> mpsc::Receiver<Option<(SocketAddr, Request<Incoming>)>> {
        let pod = self.plan.of(id).unwrap();
        let listener = TcpListener::bind((pod.ip, pod.outbound)).await.unwrap();
        let (recorded, requests) = mpsc::channel(16);
        self.tasks.spawn(async move {
            let (stream, peer) = listener.accept().await.unwrap();
            let service = service_fn(|request| async {
                recorded.send(Some((peer, request))).await.unwrap();
                if !answers {
                    std::future::pending::<()>().await;
                }
                let answer = Response::builder()
                    .status(StatusCode::IM_A_TEAPOT)
                    .body(Full::<Bytes>::from("short and stout"));
                Ok::<_, hyper::http::Error>(answer.unwrap())
            });
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            recorded.send(None).await.unwrap();
        });
        requests
    }
}

async fn ask(server: SocketAddr, fault: &str) -> hyper::Result<StatusCode> {
    let stream = TcpStream::connect(server).await.unwrap();
    let (mut sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut background = JoinSet::new();
    background.spawn(connection);
    let request =
        Request::get("/").header("x-fault", fault).header("x-request-id", "id-1").header("cookie", "c");
    Ok(sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await?.status())
}

#[tokio::test]
async fn an_application_calls_through_its_envoy_and_returns_the_status() {
    let mut pods = Pods::new();
    let shop = pods.application("shop-v1").await;
    let mut asked = pods.outbound("shop-v1", true).await;
    assert_eq!(ask(shop, "UH").await.unwrap(), StatusCode::IM_A_TEAPOT);

    let (peer, request) = asked.recv().await.unwrap().unwrap();
    assert_eq!(peer.ip(), shop.ip(), "it calls from its own address");
    assert_eq!(request.uri(), "/pay");
    assert_eq!(request.headers()["host"], "payments.shop.svc.cluster.local:8080");
    assert_eq!(request.headers()["x-fault"], "UH");
    assert_eq!(request.headers()["x-request-id"], "id-1");
    assert!(!request.headers().contains_key("cookie"));
}

#[tokio::test]
async fn an_application_calls_another_service_where_that_is_the_cause() {
    let mut pods = Pods::new();
    let shop = pods.application("shop-v1").await;
    let mut asked = pods.outbound("shop-v1", true).await;
    ask(shop, "UF").await.unwrap();
    let (_, request) = asked.recv().await.unwrap().unwrap();
    assert_eq!(request.headers()["host"], "legacy.shop.svc.cluster.local:8080");
}

#[tokio::test]
async fn an_application_causes_the_faults_of_its_own_workload_only() {
    let mut pods = Pods::new();
    let ledger = pods.application("ledger-db-v1").await;
    for fault in ["none", "UC", "URX", "UT"] {
        assert_eq!(ask(ledger, fault).await.unwrap(), StatusCode::OK);
    }
    let payments = pods.application("payments-v2").await;
    assert!(ask(payments, "UC").await.is_err(), "it hangs up");
    assert_eq!(ask(payments, "URX").await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask(payments, "none").await.unwrap(), StatusCode::BAD_GATEWAY, "no Envoy");
    assert_eq!(ask(payments, "RESCUED").await.unwrap(), StatusCode::SERVICE_UNAVAILABLE, "the first attempt");
}

#[tokio::test]
async fn an_application_cancels_its_call_when_its_caller_disconnects() {
    let mut pods = Pods::new();
    let shop = pods.application("shop-v1").await;
    let mut asked = pods.outbound("shop-v1", false).await;
    let caller = tokio::spawn(ask(shop, "none"));
    assert!(asked.recv().await.unwrap().is_some());
    caller.abort();
    let left = eventually("the end of the call", SOON, async || asked.recv().await).await.unwrap();
    assert!(left.is_none());
}
