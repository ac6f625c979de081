//! Readers that ask for the longest list in a loop.

use crate::attack::Attack;
use crate::wire::send;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(super) const ATTACK: Attack = Attack {
    name: "list_readers",
    is_quick: true,
    edges: 10_000,
    run: |target, duration| {
        Box::pin(async move {
            let request =
                b"GET /api/v1/edges?limit=10000 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            let mut readers = JoinSet::new();
            for _ in 0..20 {
                readers.spawn(async move {
                    loop {
                        if let Some(mut stream) = send(target.http, request).await {
                            // A reset connection is an answer as well.
                            let _ = stream.read_to_end(&mut Vec::new()).await;
                        }
                    }
                });
            }
            let _ = timeout(duration, readers.join_next()).await;
        })
    },
};
