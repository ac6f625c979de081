//! Paths that readers poll: every list of the JSON API, and `/metrics`.
//!
//! In: a collector, old or new. Out: its lists, as it names them.
//! Invariant: a list that rejects `limit` is asked without it.

use super::poll::{Client, get};
use anyhow::{Context, ensure};
use hopscope_mesh::fetch::query_value;
use hyper::StatusCode;
use serde::Deserialize;
use std::net::SocketAddr;

const API: &str = "/api/v1/";
/// Rows of one page.
const LIMIT: usize = 1_000;

/// A path to poll.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) path: String,
    /// Whether it is asked for pages of [`LIMIT`] rows.
    pub(super) paged: bool,
}

impl List {
    /// Path and query of the page that a cursor names; without a cursor, of the first page.
    pub(super) fn page(&self, cursor: Option<&str>) -> String {
        let Self { path, .. } = self;
        match cursor {
            _ if !self.paged => path.clone(),
            None => format!("{path}?limit={LIMIT}"),
            Some(cursor) => format!("{path}?limit={LIMIT}&cursor={}", query_value(cursor)),
        }
    }
}

/// The part of the answer to an unknown path that names the known ones.
#[derive(Deserialize)]
struct Unknown {
    paths: Vec<String>,
}

/// All paths to poll.
pub(super) async fn all(server: SocketAddr) -> anyhow::Result<Vec<List>> {
    let client = Client::default();
    let unknown = get(&client, server, API).await?;
    let Unknown { paths } = serde_json::from_slice(&unknown.body).context("no list of paths")?;
    let mut lists = Vec::new();
    for path in paths.into_iter().filter(|path| path.starts_with(API)) {
        let list = List { path, paged: true };
        let status = get(&client, server, &list.page(None)).await?.status;
        ensure!(status == StatusCode::OK || status == StatusCode::BAD_REQUEST, "{}: {status}", list.path);
        lists.push(List { paged: status == StatusCode::OK, ..list });
    }
    ensure!(!lists.is_empty(), "the collector names no list");
    lists.push(List { path: "/metrics".to_owned(), paged: false });
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn a_cursor_is_encoded_and_an_unpaged_list_has_none() {
        let list = List { path: "/api/v1/edges".to_owned(), paged: true };
        assert_eq!(list.page(None), "/api/v1/edges?limit=1000");
        assert_eq!(list.page(Some("shop/v1 a")), "/api/v1/edges?limit=1000&cursor=shop%2Fv1%20a");
        let list = List { paged: false, ..list };
        assert_eq!(list.page(Some("7")), "/api/v1/edges");
    }
}
