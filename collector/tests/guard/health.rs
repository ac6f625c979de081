//! Service `grpc.health.v1` with the requests of a probe.

use super::harness::Collector;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

#[tokio::test]
async fn a_server_is_serving_until_it_stops() {
    let collector = Collector::start(&["--connection-long-streams-max", "2"]).await;
    let mut client = HealthClient::new(collector.client().await);
    for service in ["", "hopscope.v1.Telemetry", "envoy.service.accesslog.v3.AccessLogService"] {
        let answer = client.check(request(service)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    assert_eq!(client.check(request("unknown")).await.unwrap_err().code(), Code::NotFound);
    let mut watch = client.watch(request("")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut unknown = client.watch(request("unknown")).await.unwrap().into_inner();
    assert_eq!(unknown.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    let third = client.watch(request("")).await.unwrap_err();
    assert_eq!((third.code(), collector.rejected("streams").await), (Code::ResourceExhausted, 1));
    collector.until("hopscope_grpc_long_streams", 2).await;
    drop(unknown);
    collector.until("hopscope_grpc_long_streams", 1).await;
    let stop = tokio::spawn(collector.stop());
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(watch.message().await.unwrap().is_none());
    drop(client);
    stop.await.unwrap();
}
