use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

fn links() -> Links {
    Links {
        prefix: "/p/proxy".into(),
        backend: "10.0.0.1:80".into(),
        asked: "h:6443".into(),
    }
}

fn changed(page: &str, piece: usize) -> String {
    let mut reader = Page::new(links(), false);
    let mut out = Vec::new();
    for data in page.as_bytes().chunks(piece) {
        out.extend(reader.feed(data).unwrap());
    }
    out.extend(reader.finish().unwrap());
    String::from_utf8(out).unwrap()
}

/// Which links a real kube-apiserver changes, however the page is cut into pieces.
#[test]
fn links_of_a_page_lead_through() {
    for (page, expected) in [
        ("<a href=/x>y</a>", "<a href=\"/p/proxy/x\">y</a>"),
        (
            "<a href='/x' disabled b=\"1<2\">",
            "<a href=\"/p/proxy/x\" disabled b=\"1<2\">",
        ),
        (
            "<a href=\"/x?a=1&amp;b=2\">",
            "<a href=\"/p/proxy/x?a=1&amp;b=2\">",
        ),
        ("<a href='/\"x'>", "<a href=\"/p/proxy/%22x\">"),
        ("<a href='/x?\"'>", "<a href='/p/proxy/x?\"'>"),
        ("<p class=\"/x\">", "<p class=\"/x\">"),
        (
            "<BODY Background=/b ID=Z>",
            "<BODY Background=\"/p/proxy/b\" ID=Z>",
        ),
        ("<link/href=\"/x\"/>", "<link/href=\"/p/proxy/x\"/>"),
        ("<a href=\"/x", "<a href=\"/x"),
        (
            "<script src=/s>var a = '<a href=\"/x\">';</SCRIPT><a href=/y>",
            "<script src=\"/p/proxy/s\">var a = '<a href=\"/x\">';</SCRIPT><a href=\"/p/proxy/y\">",
        ),
        (
            "<!-- <a href=/x> --><a href=/y>",
            "<!-- <a href=/x> --><a href=\"/p/proxy/y\">",
        ),
        ("<!--><a href=/y>", "<!--><a href=\"/p/proxy/y\">"),
        (
            "<!doctype html><a xlink:href=\"/x\" href=\"/y\"/>",
            "<!doctype html><a xlink:href=\"/x\" href=\"/p/proxy/y\"/>",
        ),
        ("</a href=/x>", "</a href=/x>"),
        ("a < b <3 <a href=/x>", "a < b <3 <a href=\"/p/proxy/x\">"),
        (
            "<a title=\"it's\" href = /x>",
            "<a title=\"it's\" href = \"/p/proxy/x\">",
        ),
        (
            "<a title=it's href=/x>",
            "<a title=it's href=\"/p/proxy/x\">",
        ),
        (
            "<img src=rel><img src=\"http://10.0.0.1:80/i\"><img src=//other/i>",
            "<img src=rel><img src=\"/p/proxy/i\"><img src=//other/i>",
        ),
        (
            "<a b=/c href><a =x href=/y>",
            "<a b=/c href><a =x href=\"/p/proxy/y\">",
        ),
        ("<plaintext><a href=/x>", "<plaintext><a href=/x>"),
        ("<a href=/é>", "<a href=\"/p/proxy/%C3%A9\">"),
    ] {
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(changed(page, piece), expected, "in pieces of {piece}");
        }
    }
}

#[test]
fn a_tag_without_end_is_not_held_for_ever() {
    let endless = format!("<a href=\"{}", "x".repeat(TAG_MAX * 2));
    let mut page = Page::new(links(), false);
    let mut passed = 0;
    for data in endless.as_bytes().chunks(1000) {
        passed += page.feed(data).unwrap().len();
        assert!(page.held.len() <= TAG_MAX + 1000);
    }
    assert!(passed > TAG_MAX);
}

#[test]
fn a_packed_page_is_unpacked() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(b"<a href=/x>").unwrap();
    let packed = packed.finish().unwrap();
    let mut page = Page::new(links(), true);
    let mut out = Vec::new();
    for piece in packed.chunks(3) {
        out.extend(page.feed(piece).unwrap());
    }
    out.extend(page.finish().unwrap());
    assert_eq!(out, b"<a href=\"/p/proxy/x\">");
    let mut broken = Page::new(links(), true);
    assert!(broken.feed(b"no gzip at all").is_err());
}
