//! Lists of the JSON API that are read to their last page.

use crate::http::{ConnectionRows, EdgeRows, FailureRows, Hops, InFlightRows, Instances, LongRows, Proxies};
use serde::de::DeserializeOwned;

/// Pages of a list.
pub(super) trait List: DeserializeOwned {
    /// Removes the cursor of the next page.
    fn take_cursor(&mut self) -> Option<String>;
    /// Appends the rows and the cursor of the next page.
    fn append(&mut self, next: Self);
}

macro_rules! list {
    ($($answer:ident . $rows:ident),+ $(,)?) => {
        $(impl List for $answer {
            fn take_cursor(&mut self) -> Option<String> {
                self.next_cursor.take()
            }

            fn append(&mut self, next: Self) {
                self.$rows.extend(next.$rows);
                self.next_cursor = next.next_cursor;
            }
        })+
    };
}

list! {
    EdgeRows.edges,
    ConnectionRows.connections,
    Hops.hops,
    Instances.instances,
    InFlightRows.proxies,
    LongRows.long,
    FailureRows.failures,
    Proxies.proxies,
}

#[cfg(test)]
mod tests {
    use super::List;
    use crate::http::{Proxies, ProxyRow};

    #[test]
    fn the_sum_of_the_first_page_remains() {
        let row = |proxy: &str| ProxyRow { proxy: proxy.into(), ..ProxyRow::default() };
        let mut all = Proxies {
            proxies: vec![row("a")],
            total: Some(row("")),
            next_cursor: Some("61".into()),
            ..Proxies::default()
        };
        assert_eq!(all.take_cursor().as_deref(), Some("61"));
        all.append(Proxies { proxies: vec![row("b")], ..Proxies::default() });
        assert_eq!((all.proxies, all.total), (vec![row("a"), row("b")], Some(row(""))));
        assert_eq!(all.next_cursor, None);
    }
}
