//! An application behind a sidecar.
//!
//! In: HTTP requests and TCP connections. Out: answers as in the path, and an echo.
//! Invariant: a call has all headers of its request, also x-forwarded-for, as in many HTTP
//! libraries.
//!
//! | path | answer |
//! | --- | --- |
//! | `/status/503` | that status |
//! | `/delay/2000` | 200 after 2,000 milliseconds |
//! | `/hangup` | the connection is closed |
//! | `/call/HOST:PORT/…` | the status of `http://HOST:PORT/…`; 502 without an answer |
//! | anything else | 200 |

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time;

/// Connections of each kind at a time.
const CONNECTIONS_MAX: usize = 1024;

/// Longest delay of a path, and longest wait for a call.
const WORK_MAX: Duration = Duration::from_secs(30);

/// Longest answer of a call.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Arguments of the program.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Port for HTTP/1.1.
    #[arg(long, value_name = "PORT")]
    http: u16,
    /// Port for TCP.
    #[arg(long, value_name = "PORT")]
    tcp: Option<u16>,
    /// Address that all calls connect to: the proxy's outbound listener where traffic is not
    /// captured.
    #[arg(long, value_name = "ADDRESS")]
    outbound: Option<SocketAddr>,
}

type Caller = Client<HttpConnector, Empty<Bytes>>;

/// Serves until the process ends.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode> {
    if let Some(port) = arguments.tcp {
        let listener = bind(port).await?;
        tokio::spawn(accept(listener, echo));
    }
    let client: Arc<Caller> = Arc::new(Client::builder(TokioExecutor::new()).build_http());
    let listener = bind(arguments.http).await?;
    accept(listener, move |stream| {
        let client = Arc::clone(&client);
        async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&client), arguments.outbound));
            // An error means that the caller disconnected or the path asked for a closed
            // connection.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        }
    })
    .await;
    Ok(ExitCode::SUCCESS)
}

async fn bind(port: u16) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
    listener.with_context(|| format!("failed to bind port {port}"))
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> F,
) {
    let limit = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(permit) = Arc::clone(&limit).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Mostly a temporary lack of file descriptors.
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        stream.set_nodelay(true).ok();
        let connection = serve(stream);
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(buffer.get(..read).unwrap_or_default()).await.is_err() {
            return;
        }
    }
    stream.shutdown().await.ok();
}

async fn answer(
    request: Request<Incoming>,
    client: Arc<Caller>,
    outbound: Option<SocketAddr>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let path = request.uri().path().to_owned();
    let status = match Action::of(&path) {
        Action::Status(status) => status,
        Action::Delay(delay) => {
            time::sleep(delay).await;
            StatusCode::OK
        }
        Action::HangUp => return Err(io::ErrorKind::ConnectionAborted.into()),
        Action::Call(url) => call(&client, &url, request.headers(), outbound).await,
    };
    let mut response = Response::new(Full::from("ok\n"));
    *response.status_mut() = status;
    Ok(response)
}

/// Behaviour that a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Status(StatusCode),
    Delay(Duration),
    HangUp,
    Call(String),
}

impl Action {
    fn of(path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (verb, rest) = path.split_once('/').unwrap_or((path, ""));
        match verb {
            "status" => Self::Status(rest.parse().unwrap_or(StatusCode::BAD_REQUEST)),
            "delay" => Self::Delay(Duration::from_millis(rest.parse().unwrap_or(0)).min(WORK_MAX)),
            "call" => Self::Call(format!("http://{rest}")),
            "hangup" => Self::HangUp,
            _ => Self::Status(StatusCode::OK),
        }
    }
}

async fn call(client: &Caller, url: &str, caused_by: &HeaderMap, outbound: Option<SocketAddr>) -> StatusCode {
    let Some((url, host)) = route(url, outbound) else { return StatusCode::BAD_REQUEST };
    let mut request = Request::get(url);
    if let Some(headers) = request.headers_mut() {
        headers.clone_from(caused_by);
        for hop_by_hop in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(hop_by_hop);
        }
        headers.extend(host.map(|host| (HOST, host)));
    }
    let Ok(request) = request.body(Empty::new()) else { return StatusCode::BAD_REQUEST };
    let exchange = async {
        let response = client.request(request).await.ok()?;
        let status = response.status();
        // Read to its end, so that the connection can be used again.
        Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await.ok()?;
        Some(status)
    };
    match time::timeout(WORK_MAX, exchange).await {
        Ok(Some(status)) => status,
        Ok(None) => StatusCode::BAD_GATEWAY,
        Err(_) => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// URL by the outbound listener, and the host header of the destination.
fn route(url: &str, outbound: Option<SocketAddr>) -> Option<(Uri, Option<HeaderValue>)> {
    let url: Uri = url.parse().ok()?;
    let Some(outbound) = outbound else { return Some((url, None)) };
    let host = HeaderValue::from_str(url.authority()?.as_str()).ok()?;
    let mut parts = url.into_parts();
    parts.authority = Some(outbound.to_string().parse().ok()?);
    Some((Uri::from_parts(parts).ok()?, Some(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: &Action) {
        assert_eq!(&Action::of(path), expected);
    }

    #[test]
    fn the_path_selects_the_behaviour() {
        check("/", &Action::Status(StatusCode::OK));
        check("/status/503", &Action::Status(StatusCode::SERVICE_UNAVAILABLE));
        check("/status/x", &Action::Status(StatusCode::BAD_REQUEST));
        check("/delay/250", &Action::Delay(Duration::from_millis(250)));
        check("/delay/99999999", &Action::Delay(WORK_MAX));
        check("/hangup", &Action::HangUp);
        check(
            "/call/backend.shop:8080/status/500",
            &Action::Call("http://backend.shop:8080/status/500".into()),
        );
    }

    #[test]
    fn a_call_uses_the_outbound_listener_and_names_its_destination() {
        let out = Some("127.77.1.12:8080".parse().unwrap());
        let (url, host) = route("http://backend.shop:8080/status/500", out).unwrap();
        assert_eq!(url, "http://127.77.1.12:8080/status/500");
        assert_eq!(host.unwrap(), "backend.shop:8080");
        assert_eq!(
            route("http://backend.shop/", None).unwrap(),
            ("http://backend.shop/".parse().unwrap(), None)
        );
    }
}
