//! Connections to both ports that are closed at once.

use crate::attack::Attack;
use crate::wire::{preface, send};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(super) const ATTACK: Attack = Attack {
    name: "connection_churn",
    is_quick: false,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            let mut clients = JoinSet::new();
            for number in 0..8 {
                clients.spawn(async move {
                    let (address, bytes) = match number % 2 {
                        0 => (target.grpc, preface()),
                        _ => (target.http, b"GET / HTTP/1.1\r\n".to_vec()),
                    };
                    loop {
                        drop(send(address, &bytes).await);
                    }
                });
            }
            let _ = timeout(duration, clients.join_next()).await;
        })
    },
};
