//! The application behind the destination's Envoy.
//!
//! In: connections. Out: TCP: the requested number of bytes; HTTP/1: an answer with the response code
//! of a path `/code/600`, else 200, or an echo over WebSocket; gRPC: the text at the end of the path as
//! the status, in trailers over HTTP 200, or for [`STREAM`] messages without an end.
//! Invariant: a connection ends when its client closes it; the size of a message is bounded.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Result;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::describe::ApplicationAddresses;

/// Connections of each kind.
const CONNECTIONS_MAX: usize = 4_096;
/// Largest TCP message or HTTP head.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Header of a TCP message: number of following bytes, and number of bytes to return.
pub(super) const GREETING_BYTES: usize = 8;
/// End of the path of a gRPC call whose response does not end.
pub(super) const STREAM: &str = "stream";
/// Messages of such a response.
pub(super) const STREAM_MESSAGES: usize = 3;
/// An empty gRPC message.
const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// The application with bound listeners.
#[derive(Debug)]
pub(super) struct Application {
    tcp: TcpListener,
    http: TcpListener,
    grpc: TcpListener,
}

impl Application {
    pub(super) async fn bind(addresses: ApplicationAddresses) -> Result<Self> {
        Ok(Self {
            tcp: TcpListener::bind(addresses.tcp).await?,
            http: TcpListener::bind(addresses.http).await?,
            grpc: TcpListener::bind(addresses.grpc).await?,
        })
    }

    /// Serves until the future is dropped.
    pub(super) async fn serve(self) {
        tokio::join!(
            accept(self.tcp, async |stream| exchange(stream).await.unwrap_or_default()),
            accept(self.http, async |stream| http1(stream).await.unwrap_or_default()),
            accept(self.grpc, async |stream| grpc(stream).await),
        );
    }
}

async fn accept<S: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream) -> S,
) {
    let limit = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while let Ok(permit) = Arc::clone(&limit).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { return };
        let served = serve(stream);
        connections.spawn(async move {
            served.await;
            drop(permit);
        });
    }
}

/// Answers TCP messages until the client disconnects.
async fn exchange(mut stream: TcpStream) -> io::Result<()> {
    loop {
        let mut greeting = [0; GREETING_BYTES];
        if stream.read_exact(&mut greeting).await.is_err() {
            return Ok(());
        }
        let [a, b, c, d, e, f, g, h] = greeting;
        let size = |bytes: [u8; 4]| (u32::from_be_bytes(bytes) as usize).min(MESSAGE_BYTES_MAX);
        let mut message = vec![0; size([a, b, c, d])];
        stream.read_exact(&mut message).await?;
        stream.write_all(&vec![b'x'; size([e, f, g, h])]).await?;
    }
}

/// Answers requests without bodies; after an upgrade to WebSocket, echoes all bytes.
async fn http1(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= MESSAGE_BYTES_MAX {
                return Ok(());
            }
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        if !head.contains("upgrade: websocket") {
            // As sent: a code that HTTP does not define is not corrected.
            let code = head.strip_prefix("get /code/").and_then(|rest| rest.get(..3)).unwrap_or("200");
            let answer = format!("HTTP/1.1 {code} OK\r\ncontent-length: 3\r\n\r\nok\n");
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await?;
            continue;
        }
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
            )
            .await?;
        stream.flush().await?;
        let mut chunk = [0; 4096];
        loop {
            let count = stream.read(&mut chunk).await?;
            let Some(bytes @ [_, ..]) = chunk.get(..count) else { return Ok(()) };
            stream.write_all(bytes).await?;
            stream.flush().await?;
        }
    }
}

async fn grpc(stream: TcpStream) {
    let service = service_fn(async |request: Request<Incoming>| {
        let status = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        // An answer that ends first cuts off the rest of the request.
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(answer(&status))
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // An error means that the caller disconnected.
    connection.serve_connection(TokioIo::new(stream), service).await.ok();
}

/// Returns an empty message with the status in the trailers, or the messages of a stream.
fn answer(status: &str) -> Response<BoxBody<Bytes, Infallible>> {
    let body = if status == STREAM {
        Endless { messages: STREAM_MESSAGES }.boxed()
    } else {
        let status = HeaderValue::from_str(status).unwrap_or(HeaderValue::from_static("0"));
        let trailers = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), status)]);
        let message = Full::new(Bytes::from_static(EMPTY_MESSAGE));
        message.with_trailers(async move { Some(Ok(trailers)) }).boxed()
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// A body of some messages that does not end.
struct Endless {
    messages: usize,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.messages.checked_sub(1) else { return Poll::Pending };
        self.messages = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(EMPTY_MESSAGE)))))
    }
}
