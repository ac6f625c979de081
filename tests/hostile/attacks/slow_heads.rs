//! Connections that send the head of a request byte by byte.

use crate::attack::Attack;
use crate::wire::hold;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

pub(super) const ATTACK: Attack = Attack {
    name: "slow_heads",
    is_quick: false,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            let mut held = hold(target.http, b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nx: ", 450).await;
            let end = Instant::now() + duration;
            while Instant::now() < end {
                for stream in &mut held {
                    // The server closes slow connections.
                    let _ = stream.write_all(b"x").await;
                }
                sleep(Duration::from_millis(500)).await;
            }
        })
    },
};
