//! Scrapers that read nothing of their answers.

use crate::attack::Attack;
use crate::wire::hold;
use tokio::time::sleep;

pub(super) const ATTACK: Attack = Attack {
    name: "slow_scrapers",
    is_quick: true,
    edges: 10_000,
    run: |target, duration| {
        Box::pin(async move {
            let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
            let _held = hold(target.http, request, 450).await;
            sleep(duration).await;
        })
    },
};
