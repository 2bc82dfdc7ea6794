use super::{
    config_key, dns_label, dns_subdomain, dns1035_label, label_key, label_value, path_segment,
    port_name, relaxed_env_name,
};

#[test]
fn well_formed_names_pass() {
    for name in ["a", "my-name", "123-abc"] {
        assert!(dns_label(name).is_empty(), "{name}");
        assert!(dns_subdomain(name).is_empty(), "{name}");
    }
    assert!(dns_subdomain("example.com").is_empty());
    assert!(label_key("example.com/My_name.x").is_empty());
    assert!(label_value("").is_empty());
    assert!(config_key("a.b-c_D").is_empty());
    assert!(relaxed_env_name("1 odd-name").is_empty());
    assert!(port_name("http-1").is_empty());
}

#[test]
fn refusals_are_worded_as_kubernetes_words_them() {
    assert_eq!(
        dns_label("A"),
        [
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        ]
    );
    assert_eq!(dns_label("a.b"), ["must not contain dots"]);
    assert_eq!(
        dns_label(&"a".repeat(64)),
        ["must be no more than 63 characters"]
    );
    assert_eq!(
        dns_subdomain("-")[0],
        r"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    );
    assert!(dns1035_label("1a")[0].starts_with("a DNS-1035 label must consist"));
    assert_eq!(label_key("/x"), ["prefix part must be non-empty"]);
    assert!(label_key("a/b/c")[0].ends_with("'/' (e.g. 'example.com/MyName')"));
    assert_eq!(config_key(".."), ["must not be '..'"]);
    assert_eq!(
        path_segment("a/b%"),
        ["may not contain '/'", "may not contain '%'"]
    );
    assert_eq!(
        port_name("-1"),
        [
            "must contain at least one letter (a-z)",
            "must not begin or end with a hyphen"
        ]
    );
}
