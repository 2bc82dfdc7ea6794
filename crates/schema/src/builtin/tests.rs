use super::*;

#[test]
fn the_table_stays_below_three_megabytes() {
    let types = builtin();
    assert!(types.heap_bytes() < 3 << 20, "{}", types.heap_bytes());
    assert!(types.kinds().count() > 150);
}

#[test]
fn every_kind_is_found_by_its_names() {
    let types = builtin();
    for (group, version, kind, ty) in types.kinds() {
        assert_eq!(
            types.of(group, version, kind),
            Some(ty),
            "{group}/{version} {kind}"
        );
    }
    for ty in types.all() {
        assert_eq!(types.named(ty.name().unwrap()), Some(ty));
    }
}

#[test]
#[ignore = "prints figures: cargo test -p cedge-schema -- --ignored --nocapture figures"]
fn figures() {
    let start = jiff::Timestamp::now();
    let types = builtin();
    let loaded = jiff::Timestamp::now().duration_since(start);
    println!("loaded in {loaded:?}, {} bytes", types.heap_bytes());
}
