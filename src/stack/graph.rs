//! The order of a stack's components: tiers, cycles, and who depends on whom.

use std::collections::{BTreeMap, BTreeSet};

/// Components with the names of those that they depend on. Names that are no component are ignored:
/// another check refuses them.
pub type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// The tier of each component: 1 where it depends on none, otherwise one more than the highest tier of
/// its dependencies.
///
/// # Errors
/// A cycle, as a path that begins and ends with the same name. The path is the same whenever the graph is.
pub fn tiers(graph: &Dependencies) -> Result<BTreeMap<String, i32>, Vec<String>> {
    let mut tiers = BTreeMap::new();
    let mut path = Vec::new();
    for name in graph.keys() {
        tier(graph, name, &mut tiers, &mut path)?;
    }
    Ok(tiers)
}

fn tier(
    graph: &Dependencies,
    name: &str,
    tiers: &mut BTreeMap<String, i32>,
    path: &mut Vec<String>,
) -> Result<i32, Vec<String>> {
    if let Some(known) = tiers.get(name) {
        return Ok(*known);
    }
    if let Some(start) = path.iter().position(|seen| seen == name) {
        let mut cycle: Vec<String> = path.iter().skip(start).cloned().collect();
        cycle.push(name.to_owned());
        return Err(cycle);
    }
    path.push(name.to_owned());
    let mut highest = 0;
    for dependency in graph.get(name).into_iter().flatten().filter(|it| graph.contains_key(*it)) {
        highest = highest.max(tier(graph, dependency, tiers, path)?);
    }
    path.pop();
    tiers.insert(name.to_owned(), highest + 1);
    Ok(highest + 1)
}

/// The components that depend on this one, directly or through others.
#[must_use]
pub fn dependents(graph: &Dependencies, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![name];
    while let Some(next) = open.pop() {
        for (dependent, dependencies) in graph {
            if dependencies.contains(next) && found.insert(dependent.clone()) {
                open.push(dependent);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Dependencies {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        edges.iter().map(|(name, on)| ((*name).to_owned(), names(on))).collect()
    }

    fn erp() -> Dependencies {
        graph(&[
            ("zookeeper", &[]),
            ("kafka", &["zookeeper"]),
            ("mysql", &["kafka"]),
            ("mongodb", &["kafka"]),
            ("employee", &["mysql"]),
            ("notification", &["mysql", "mongodb", "kafka"]),
            ("request", &["mongodb", "kafka", "employee", "notification"]),
            ("processing", &["kafka", "request"]),
        ])
    }

    #[test]
    fn erp_has_six_tiers() {
        let tiers = tiers(&erp()).unwrap();
        let of = |name: &str| tiers[name];
        assert_eq!((of("zookeeper"), of("kafka"), of("mysql"), of("mongodb")), (1, 2, 3, 3));
        assert_eq!((of("employee"), of("notification"), of("request"), of("processing")), (4, 4, 5, 6));
    }

    #[test]
    fn a_cycle_is_spelt_out() {
        let cycle = tiers(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])]));
        assert_eq!(cycle.unwrap_err(), ["a", "b", "c", "a"]);
        assert_eq!(tiers(&graph(&[("x", &["x"])])).unwrap_err(), ["x", "x"]);
    }

    #[test]
    fn dependents_are_found_through_others() {
        let of = |name| dependents(&erp(), name);
        assert_eq!(of("mongodb").into_iter().collect::<Vec<_>>(), ["notification", "processing", "request"]);
        assert_eq!(of("zookeeper").len(), 7);
        assert!(of("processing").is_empty());
    }

    proptest! {
        #![proptest_config(test_support::proptest_config(256))]

        #[test]
        fn a_tier_follows_all_dependencies(edges in proptest::collection::vec((0usize..12, 0usize..12), 0..40)) {
            let name = |index: usize| format!("c{index:02}");
            // Edges to earlier names only: there is no cycle.
            let mut graph: Dependencies = (0..12).map(|index| (name(index), BTreeSet::new())).collect();
            for (from, to) in edges.iter().filter(|(from, to)| to < from) {
                graph.get_mut(&name(*from)).unwrap().insert(name(*to));
            }
            let tiers = tiers(&graph).unwrap();
            for (component, dependencies) in &graph {
                let highest = dependencies.iter().map(|it| tiers[it]).max().unwrap_or(0);
                prop_assert_eq!(tiers[component], highest + 1);
            }
        }
    }
}
