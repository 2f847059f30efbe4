//! Strongly connected components of a small graph.

use std::collections::BTreeSet;

/// Groups of nodes that reach each other, by Tarjan's algorithm.
pub(super) fn strongly_connected(edges: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        edges,
        number: vec![None; edges.len()],
        lowest: vec![0; edges.len()],
        open: Vec::new(),
        next: 0,
        found: Vec::new(),
    };
    for node in 0..edges.len() {
        if search.number[node].is_none() {
            search.visit(node);
        }
    }
    search.found
}

struct Search<'a> {
    edges: &'a [BTreeSet<usize>],
    /// The order in which nodes were reached.
    number: Vec<Option<usize>>,
    /// The lowest number of an open node that each reaches.
    lowest: Vec<usize>,
    /// Nodes that are in no group yet.
    open: Vec<usize>,
    next: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, node: usize) {
        self.number[node] = Some(self.next);
        self.lowest[node] = self.next;
        self.next += 1;
        self.open.push(node);
        for &to in &self.edges[node] {
            match self.number[to] {
                None => {
                    self.visit(to);
                    self.lowest[node] = self.lowest[node].min(self.lowest[to]);
                }
                Some(number) if self.open.contains(&to) => {
                    self.lowest[node] = self.lowest[node].min(number);
                }
                Some(_) => {}
            }
        }
        if Some(self.lowest[node]) == self.number[node] {
            let start = self.open.iter().position(|&open| open == node);
            let mut group = self.open.split_off(start.unwrap_or(self.open.len()));
            group.sort_unstable();
            self.found.push(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_circles_and_a_bridge() {
        let edges = [vec![1], vec![2], vec![0, 3], vec![4], vec![3], vec![0]];
        let edges: Vec<BTreeSet<usize>> = edges.map(|to| to.into_iter().collect()).into();
        let mut groups = strongly_connected(&edges);
        groups.sort();
        assert_eq!(groups, [vec![0, 1, 2], vec![3, 4], vec![5]]);
    }
}
