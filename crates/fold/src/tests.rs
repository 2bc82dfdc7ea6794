use super::*;
use proptest::prelude::*;

/// A tree of clusters: own state, version acted on (never newer than the parent's), replicas, children by name.
#[derive(Debug, Clone)]
struct Tree {
    state: State,
    lag: i64,
    replicas: u32,
    children: Vec<(String, Tree)>,
}

const STATES: [State; 11] = [
    State::NotMatched,
    State::Healthy,
    State::Suspended,
    State::Pending,
    State::Waiting,
    State::Applying,
    State::Progressing,
    State::Held,
    State::Unreachable,
    State::Degraded,
    State::Failed,
];

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = (0..STATES.len(), 0..2_i64, 0..5_u32).prop_map(|(s, lag, replicas)| Tree {
        state: STATES[s],
        lag,
        replicas,
        children: vec![],
    });
    leaf.prop_recursive(4, 80, 5, |inner| {
        (
            0..STATES.len(),
            0..2_i64,
            prop::collection::btree_map("[a-d]{1,2}", inner, 0..5),
        )
            .prop_map(|(s, lag, children)| Tree {
                state: STATES[s],
                lag,
                replicas: 1,
                children: children.into_iter().collect(),
            })
    })
}

fn target(generation: i64) -> Target {
    Target {
        generation,
        digest: String::new(),
    }
}

fn own(tree: &Tree) -> OwnStatus {
    OwnStatus {
        state: tree.state,
        replicas: tree.replicas,
        ready_replicas: tree.replicas / 2,
        ..OwnStatus::default()
    }
}

/// Folds as the tree does: each cluster with its own newest version as the target.
fn by_layers(tree: &Tree, newest: i64) -> Report {
    let mine = newest - tree.lag;
    let below: Vec<(ClusterName, Report)> = tree
        .children
        .iter()
        .map(|(name, t)| (name.parse().unwrap(), by_layers(t, mine)))
        .collect();
    let rows: Vec<ChildReport<'_>> = below
        .iter()
        .map(|(name, report)| ChildReport {
            name,
            report,
            unreachable_since: None,
        })
        .collect();
    fold(own(tree), &target(mine), &target(mine), &rows)
}

/// The flat list: path, own line, version acted on.
fn flatten(
    tree: &Tree,
    path: &ClusterPath,
    newest: i64,
    out: &mut Vec<(ClusterPath, OwnStatus, i64)>,
) {
    let mine = newest - tree.lag;
    out.push((path.clone(), own(tree), mine));
    for (name, child) in &tree.children {
        flatten(child, &path.child(name.parse().unwrap()), mine, out);
    }
}

fn by_list(list: &[(ClusterPath, OwnStatus, i64)], target: i64) -> (Subtree, Vec<Exception>) {
    let mut sum = Subtree::default();
    let mut exceptions = vec![];
    for (path, own, at) in list
        .iter()
        .filter(|(_, own, _)| own.state != State::NotMatched)
    {
        sum.matched += 1;
        sum.at_target += u32::from(*at == target);
        *sum.states.entry(own.state).or_default() += 1;
        sum.replicas += own.replicas;
        sum.ready_replicas += own.ready_replicas;
        if is_exception(own.state) {
            exceptions.push(Exception {
                path: path.clone(),
                state: own.state,
                reason: None,
                message: None,
            });
        }
    }
    (sum, worst(exceptions))
}

proptest! {
    #[test]
    fn the_fold_of_a_tree_is_the_fold_of_its_flat_list(tree in tree()) {
        let tree = Tree { lag: 0, ..tree };
        let mut list = vec![];
        flatten(&tree, &ClusterPath::here(), 9, &mut list);
        let report = by_layers(&tree, 9);
        let (sum, exceptions) = by_list(&list, 9);
        prop_assert_eq!(report.subtree, sum);
        prop_assert_eq!(report.exceptions, exceptions);
    }
}

#[test]
fn a_silent_child_keeps_its_last_report_and_is_counted_as_unreachable() {
    let report = fold(
        OwnStatus {
            state: State::Healthy,
            replicas: 2,
            ready_replicas: 2,
            ..OwnStatus::default()
        },
        &target(1),
        &target(1),
        &[],
    );
    let name = "line-2".parse().unwrap();
    let silent = ChildReport {
        name: &name,
        report: &report,
        unreachable_since: Some("2026-11-23T10:00:00Z"),
    };
    let folded = fold(OwnStatus::default(), &target(1), &target(1), &[silent]);
    assert_eq!(folded.subtree.matched, 1);
    assert_eq!(folded.subtree.states.get(&State::Unreachable), Some(&1));
    assert_eq!(folded.subtree.ready_replicas, 0);
    assert_eq!(
        folded.exceptions[0].message.as_deref(),
        Some("as of 2026-11-23T10:00:00Z: 1 Healthy")
    );
}

#[test]
fn a_child_that_acts_on_another_version_is_not_at_target() {
    let healthy = OwnStatus {
        state: State::Healthy,
        ..OwnStatus::default()
    };
    let old = fold(healthy.clone(), &target(1), &target(1), &[]);
    let name = "a".parse().unwrap();
    let rows = [ChildReport {
        name: &name,
        report: &old,
        unreachable_since: None,
    }];
    let folded = fold(healthy, &target(2), &target(2), &rows);
    assert_eq!((folded.subtree.matched, folded.subtree.at_target), (2, 1));
}
