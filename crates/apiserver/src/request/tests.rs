use super::*;
use crate::query::Query;

fn parse(method: &Method, uri: &str) -> Target {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    Target::parse(method, path, &Query::parse(query))
}

fn check(method: &Method, uri: &str, expected: (&str, &str, &str, &str, &str, &str)) {
    let Target::Resource(r) = parse(method, uri) else {
        panic!("{uri} is not a resource");
    };
    let got = (
        r.verb.as_str(),
        r.group.as_str(),
        r.namespace.as_str(),
        r.resource.as_str(),
        r.name.as_str(),
        r.subresource.as_str(),
    );
    assert_eq!(got, expected, "{uri}");
}

#[test]
fn paths_name_verb_group_namespace_resource_name_and_subresource() {
    check(
        &Method::GET,
        "/api/v1/pods",
        ("list", "", "", "pods", "", ""),
    );
    check(
        &Method::GET,
        "/api/v1/namespaces",
        ("list", "", "", "namespaces", "", ""),
    );
    check(
        &Method::GET,
        "/api/v1/namespaces/a",
        ("get", "", "a", "namespaces", "a", ""),
    );
    check(
        &Method::PUT,
        "/api/v1/namespaces/a/finalize",
        ("update", "", "a", "namespaces", "a", "finalize"),
    );
    check(
        &Method::GET,
        "/api/v1/namespaces/a/pods",
        ("list", "", "a", "pods", "", ""),
    );
    check(
        &Method::GET,
        "/api/v1/namespaces/a/pods/p/log?follow=true",
        ("get", "", "a", "pods", "p", "log"),
    );
    check(
        &Method::PATCH,
        "/apis/apps/v1/namespaces/a/deployments/d/scale",
        ("patch", "apps", "a", "deployments", "d", "scale"),
    );
    check(
        &Method::DELETE,
        "/apis/apps/v1/namespaces/a/deployments",
        ("deletecollection", "apps", "a", "deployments", "", ""),
    );
    check(
        &Method::POST,
        "/api/v1/namespaces/a/pods",
        ("create", "", "a", "pods", "", ""),
    );
}

#[test]
fn a_watch_is_asked_for_by_query_or_by_path() {
    check(
        &Method::GET,
        "/api/v1/pods?watch=1",
        ("watch", "", "", "pods", "", ""),
    );
    check(
        &Method::GET,
        "/api/v1/pods?watch=false",
        ("list", "", "", "pods", "", ""),
    );
    check(
        &Method::GET,
        "/api/v1/watch/namespaces/a/pods",
        ("watch", "", "a", "pods", "", ""),
    );
}

#[test]
fn a_field_selector_on_the_name_counts_as_that_name() {
    check(
        &Method::GET,
        "/api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dp&watch=true",
        ("watch", "", "a", "pods", "p", ""),
    );
}

#[test]
fn discovery_and_health_are_plain_paths() {
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/apps",
        "/apis/apps/v1",
        "/healthz",
    ] {
        assert_eq!(parse(&Method::GET, path), Target::Path, "{path}");
    }
}
