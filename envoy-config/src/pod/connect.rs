//! TCP connections to an echo.
//!
//! In: an address, numbers of connections and bytes. Out: bytes sent and received, one JSON object.
//! Invariant: one connection after the other; each ends within [`DEADLINE`].

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time;

const DEADLINE: Duration = Duration::from_secs(10);

/// Arguments of the program.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Host and port.
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Connections.
    #[arg(long, default_value_t = 1)]
    connections: u64,
    /// Bytes on each connection.
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
}

#[derive(Debug, Default, Serialize)]
struct Tally {
    connections: u64,
    bytes_sent: u64,
    bytes_received: u64,
    failed: u64,
    errors: Vec<String>,
}

/// Opens the connections.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut tally = Tally::default();
    for _ in 0..arguments.connections {
        tally.connections += 1;
        match time::timeout(DEADLINE, connection(&arguments.to, arguments.bytes)).await {
            Ok(Ok(received)) => {
                tally.bytes_sent += arguments.bytes as u64;
                tally.bytes_received += received;
            }
            Ok(Err(error)) => tally.fail(format!("{error:#}")),
            Err(late) => tally.fail(late.to_string()),
        }
    }
    serde_json::to_writer(std::io::stdout(), &tally)?;
    Ok(ExitCode::SUCCESS)
}

async fn connection(to: &str, bytes: usize) -> Result<u64> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(&vec![b'x'; bytes]).await?;
    stream.shutdown().await?;
    let mut back = Vec::new();
    Ok(stream.read_to_end(&mut back).await? as u64)
}

impl Tally {
    fn fail(&mut self, error: String) {
        self.failed += 1;
        if self.errors.len() < 5 {
            self.errors.push(error);
        }
    }
}
