//! Import cycles among the nodes of one level.

use super::modules::Import;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The imports among the nodes of one level; for each pair of nodes, the first import.
#[derive(Default)]
pub(crate) struct Graph<'a> {
    edges: BTreeMap<String, BTreeMap<String, &'a Import>>,
}

impl<'a> Graph<'a> {
    /// Adds an import between two nodes.
    pub(crate) fn add(&mut self, from: &str, to: &str, import: &'a Import) {
        self.edges.entry(from.to_owned()).or_default().entry(to.to_owned()).or_insert(import);
    }

    /// The imported nodes of a node.
    pub(crate) fn imported(&self, node: &str) -> impl Iterator<Item = &str> {
        self.edges.get(node).into_iter().flatten().map(|(to, _)| to.as_str())
    }

    /// One shortest cycle of each group of nodes that reach each other, as the imports along it.
    pub(crate) fn cycles(&self) -> Vec<Cycle<'a>> {
        let mut cycles = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for node in self.edges.keys() {
            if seen.contains(node.as_str()) {
                continue;
            }
            let reached = self.reached(node);
            let group: BTreeSet<&str> =
                reached.into_iter().filter(|other| self.reached(other).contains(node.as_str())).collect();
            let shortest = group.iter().filter_map(|start| self.path(start)).min_by_key(Vec::len);
            seen.extend(&group);
            if let Some(path) = shortest {
                let group = group.into_iter().map(str::to_owned).collect();
                cycles.push(Cycle { path, group });
            }
        }
        cycles
    }

    fn reached(&self, start: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut rest: Vec<&str> = self.imported(start).collect();
        while let Some(node) = rest.pop() {
            if reached.insert(node) {
                rest.extend(self.imported(node));
            }
        }
        reached
    }

    /// The shortest way from a node back to itself.
    fn path(&self, start: &str) -> Option<Vec<(String, &'a Import)>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for next in self.imported(node) {
                if next == start {
                    return self.steps(start, node, &before);
                }
                if !before.contains_key(next) {
                    before.insert(next, node);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn steps(
        &self,
        start: &str,
        last: &str,
        before: &BTreeMap<&str, &str>,
    ) -> Option<Vec<(String, &'a Import)>> {
        let mut nodes = vec![start, last];
        let mut node = last;
        while node != start {
            node = before.get(node)?;
            nodes.push(node);
        }
        nodes.reverse();
        let step = |pair: &[&str]| match pair {
            [from, to] => Some(((*from).to_owned(), *self.edges.get(*from)?.get(*to)?)),
            _ => None,
        };
        nodes.windows(2).map(step).collect()
    }
}

/// A cycle of imports.
pub(crate) struct Cycle<'a> {
    /// The nodes along the cycle, each with the import that leads to the next one.
    pub(crate) path: Vec<(String, &'a Import)>,
    /// All nodes that reach each other, in order.
    pub(crate) group: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edges: &[(&str, &str)], expected: &[&str]) {
        let import = Import {
            from: String::new(),
            to: String::new(),
            file: String::new(),
            line: 1,
            path: String::new(),
        };
        let mut graph = Graph::default();
        for (from, to) in edges {
            graph.add(from, to, &import);
        }
        let shown = |cycle: Cycle<'_>| {
            let path: Vec<String> = cycle.path.into_iter().map(|(node, _)| node).collect();
            format!("{} of {}", path.join(" "), cycle.group.join(" "))
        };
        assert_eq!(graph.cycles().into_iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_graph_without_cycles_has_none() {
        check(&[("a", "b"), ("a", "c"), ("b", "c")], &[]);
    }

    #[test]
    fn two_modules_that_import_each_other_are_a_cycle() {
        check(&[("a", "b"), ("b", "a"), ("c", "a")], &["a b of a b"]);
    }

    #[test]
    fn the_shortest_cycle_of_a_group_is_shown() {
        check(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "c")], &["c d of a b c d"]);
    }

    #[test]
    fn separate_groups_are_separate_cycles() {
        check(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")], &["a b of a b", "c d of c d"]);
    }
}
