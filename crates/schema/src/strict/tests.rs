use super::*;

fn check(json: &str, expected: &[&str]) {
    assert_eq!(duplicate_fields(json.as_bytes()), expected, "{json}");
}

#[test]
fn keys_given_twice_are_found_with_their_paths() {
    check(r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":2}]}"#, &[]);
    check(r#"{"a":1,"a":2,"a":3}"#, &["a"]);
    check(
        r#"{"spec":{"replicas":1,"x":{"y":"}"},"replicas":2},"l":[1,"a:",{"k":1,"k":[]}, [[{"z":1,"z":1}]]]}"#,
        &["spec.replicas", "l[2].k", "l[3][0][0].z"],
    );
    check(r#"{"a\u0062":1,"ab":2}"#, &["ab"]);
}

#[test]
fn what_is_no_json_ends_the_scan() {
    for text in [
        "",
        "{",
        "{\"",
        "\"\\",
        "}}}}",
        "[[[[",
        "{\"a\":,,,\"a\"",
        "nul",
        "{\"\\ud800\":1}",
    ] {
        let _ = duplicate_fields(text.as_bytes());
    }
    let deep = "[".repeat(1_000_000);
    check(&deep, &[]);
}
