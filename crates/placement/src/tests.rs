use super::*;
use proptest::prelude::*;
use serde_json::json;

fn path(text: &str) -> ClusterPath {
    text.parse().unwrap()
}

fn placement(value: serde_json::Value) -> Placement {
    serde_json::from_value(value).unwrap()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

#[test]
fn globs_mean_what_the_design_says() {
    for (glob, at, expected) in [
        (".", ".", true),
        (".", "europe", false),
        ("*", "europe", true),
        ("*", ".", false),
        ("*", "europe/plant-7", false),
        ("**", ".", true),
        ("**", "europe/plant-7/line-2", true),
        ("europe/**", "europe", true),
        ("europe/**", "europe/plant-7/line-2", true),
        ("europe/**", "asia/plant-7", false),
        ("europe/*", "europe", false),
        ("europe/*", "europe/plant-7", true),
        ("**/line-*", "europe/plant-7/line-2", true),
        ("**/line-*", "line-1", true),
        ("line-2", "europe/plant-7/line-2", true),
        ("line-2", "europe/plant-7", false),
        ("plant-*/line-2", "plant-7/line-2", true),
        ("plant-*", "europe/plant-7", false),
        ("p*t-*7", "plant-77", true),
    ] {
        assert_eq!(
            Glob::parse(glob).unwrap().matches(&path(at)),
            expected,
            "{glob} at {at}"
        );
    }
    for bad in ["", "/europe", "europe/", "a//b", "Europe", "europe/../x"] {
        assert!(Glob::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn everything_that_is_given_must_hold() {
    let wanted = placement(json!({
        "clusters": ["europe/**"], "selector": {"matchLabels": {"tier": "line"}}, "scope": "Leaves"
    }));
    let line = labels(&[("tier", "line")]);
    let at = path("europe/plant-7/line-2");
    let site = |leaf| Site {
        path: &at,
        labels: Some(&line),
        leaf: Some(leaf),
    };
    assert!(is_placed(Some(&wanted), site(true)));
    assert!(!is_placed(Some(&wanted), site(false)));
    let other = labels(&[("tier", "site")]);
    assert!(!is_placed(
        Some(&wanted),
        Site {
            labels: Some(&other),
            ..site(true)
        }
    ));
    assert!(is_placed(None, site(false)));
}

#[test]
fn a_child_is_spared_only_what_provably_matches_nothing_below_it() {
    let roster = |complete, known: Option<Labels>| Roster {
        entries: vec![
            RosterEntry {
                path: path("."),
                labels: Some(Labels::new()),
                leaf: false,
            },
            RosterEntry {
                path: path("line-2"),
                labels: known,
                leaf: true,
            },
        ],
        complete,
    };
    let wanted = placement(json!({"selector": {"matchLabels": {"tier": "line"}}}));
    let at = path("plant-7");
    assert!(route(
        Some(&wanted),
        &at,
        &roster(true, Some(labels(&[("tier", "line")])))
    ));
    assert!(!route(
        Some(&wanted),
        &at,
        &roster(true, Some(Labels::new()))
    ));
    assert!(
        route(Some(&wanted), &at, &roster(true, None)),
        "labels that were cut off may match"
    );
    assert!(
        route(Some(&wanted), &at, &roster(false, Some(Labels::new()))),
        "a cut roster may match"
    );
    let elsewhere = placement(json!({"clusters": ["asia/**"]}));
    assert!(!route(Some(&elsewhere), &at, &roster(false, None)));
    let origin = placement(json!({"scope": "Origin"}));
    assert!(!route(Some(&origin), &at, &roster(false, None)));
}

#[test]
fn what_cannot_be_evaluated_is_refused_and_matches_nobody() {
    let bad = placement(json!({"clusters": ["ok", "Not Ok"]}));
    assert_eq!(
        check(&bad).unwrap_err().to_string(),
        "spec.placement.clusters[1]: \"Not Ok\" has a sign that no cluster name has; names are lower \
         case letters, digits and '-', and '*' stands for any of them"
    );
    let at = path(".");
    let bad =
        placement(json!({"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}));
    assert!(check(&bad).is_err());
    assert!(!is_placed(
        Some(&bad),
        Site {
            path: &at,
            labels: Some(&Labels::new()),
            leaf: None
        }
    ));
}

proptest! {
    /// Routing is never wrong: whatever is cut off a roster, a child that holds a matching cluster is offered the
    /// Mission.
    #[test]
    fn a_matching_cluster_is_always_routed_to(
        glob in "(\\*\\*|a|b\\*|\\*)(/(\\*\\*|c|d\\*|\\*)){0,2}",
        below in "(\\.|[cd]{1,2}(/[cd]{1,2})?)",
        tier in "[xy]", wanted in "[xy]", cut in any::<bool>(), hidden in any::<bool>(),
    ) {
        let wanted = placement(json!({"clusters": [glob], "selector": {"matchLabels": {"tier": wanted}}}));
        let (child, below) = (path("b"), path(&below));
        let have = labels(&[("tier", tier.as_str())]);
        let at = child.join(&below);
        let placed = is_placed(Some(&wanted), Site { path: &at, labels: Some(&have), leaf: Some(true) });
        let entry = RosterEntry { path: below, labels: (!hidden).then_some(have), leaf: true };
        let roster = Roster { entries: if cut { vec![] } else { vec![entry] }, complete: !cut };
        prop_assert!(!placed || route(Some(&wanted), &child, &roster));
    }
}
