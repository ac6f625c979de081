//! More idle connections to the HTTP port than descriptors by default.

use crate::attack::Attack;
use crate::wire::hold;
use tokio::time::sleep;

pub(super) const ATTACK: Attack = Attack {
    name: "idle_http",
    is_quick: false,
    edges: 0,
    run: |target, duration| {
        Box::pin(async move {
            // Half of the connections that are allowed stay free for the probe of this harness.
            let _held = hold(target.http, b"", 480).await;
            sleep(duration).await;
        })
    },
};
