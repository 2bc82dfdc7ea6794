//! Writes `data/protobuf.txt.zst`, the table by which request bodies in protobuf are read:
//! `cargo run -p cedge-apiserver --example protobuf_table -- MODULES FILE`, where MODULES is a folder that holds the Go
//! modules `api@…`, `apimachinery@…`, `apiextensions-apiserver@…` and `kube-aggregator@…` of Kubernetes. Field numbers and
//! types come from their `generated.proto`, what is a pointer or inlined from the tags in their `types.go`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(modules), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: protobuf_table MODULES FILE".into());
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(&modules)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let wanted = [
            "api@",
            "apimachinery@",
            "apiextensions-apiserver@",
            "kube-aggregator@",
        ];
        if wanted.iter().any(|w| name.starts_with(w)) {
            find(&path, &mut files)?;
        }
    }
    files.sort();
    let mut table = String::new();
    for file in files {
        let tags = tags(file.parent().unwrap_or(Path::new(".")))?;
        messages(&fs::read_to_string(&file)?, &tags, &mut table);
    }
    fs::write(&out, zstd::bulk::compress(table.as_bytes(), 19)?)?;
    Ok(())
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, found)?;
        } else if path.ends_with("generated.proto") {
            found.push(path);
        }
    }
    Ok(())
}

/// What Go says of a field: its name in JSON, and flags (`*` pointer, `o` omitted when zero, `^` inlined).
type Tags = HashMap<(String, u32), (String, String)>;

fn tags(folder: &Path) -> Outcome<Tags> {
    let mut tags = Tags::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "go") {
            continue;
        }
        let mut current = String::new();
        for line in fs::read_to_string(&path)?.lines() {
            if let Some(name) = line
                .strip_prefix("type ")
                .and_then(|l| l.strip_suffix(" struct {"))
            {
                current = name.to_owned();
            } else if line.starts_with('}') {
                current.clear();
            } else if !current.is_empty() {
                read_tag(&current, line, &mut tags);
            }
        }
    }
    Ok(tags)
}

fn read_tag(current: &str, line: &str, tags: &mut Tags) {
    let quoted = |key: &str| {
        let rest = line.split_once(&format!("{key}:\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let (Some(json), Some(protobuf)) = (quoted("json"), quoted("protobuf")) else {
        return;
    };
    let Some(number) = protobuf.split(',').nth(1).and_then(|n| n.parse().ok()) else {
        return;
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let ty = if words.get(1).is_some_and(|w| w.starts_with('`')) {
        words[0]
    } else {
        words.get(1).copied().unwrap_or("")
    };
    let mut flags = String::new();
    if ty.starts_with('*') {
        flags.push('*');
    }
    if json.contains(",omitempty") || json.contains(",omitzero") {
        flags.push('o');
    }
    if json.contains(",inline") {
        flags.push('^');
    }
    let name = json.split(',').next().unwrap_or_default().to_owned();
    tags.insert((current.to_owned(), number), (name, flags));
}

/// One line for each message (`.NAME`) and each field (`NUMBER NAME KIND FLAGS`).
fn messages(proto: &str, tags: &Tags, out: &mut String) {
    let mut package = String::new();
    let mut message = String::new();
    for line in proto.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("package ") {
            package = name.trim_end_matches(';').to_owned();
        } else if let Some(name) = line.strip_prefix("message ") {
            message = name.trim_end_matches('{').trim().to_owned();
            let _ = writeln!(out, ".{package}.{message}");
        } else if let Some((left, right)) = line.split_once(" = ")
            && let Ok(number) = right.trim_end_matches(';').parse::<u32>()
        {
            let Some((ty, name)) = left.rsplit_once(' ') else {
                continue;
            };
            let none = (name.to_owned(), String::new());
            let (json, flags) = tags.get(&(message.clone(), number)).unwrap_or(&none);
            let json = if json.is_empty() { "-" } else { json };
            let kind = kind(ty, &package);
            let flags = if flags.is_empty() { "-" } else { flags };
            let _ = writeln!(out, "{number} {json} {kind} {flags}");
        }
    }
}

/// `s` text, `b` bytes, `v` whole number, `t` truth, `d` double, or the name of a message; `[]` and `{}` before it for lists
/// and maps.
fn kind(ty: &str, package: &str) -> String {
    if let Some(map) = ty.strip_prefix("map<") {
        let value = map
            .trim_end_matches('>')
            .split_once(',')
            .map_or("", |(_, v)| v.trim());
        return format!("{{}}{}", kind(value, package));
    }
    if let Some(item) = ty.strip_prefix("repeated ") {
        return format!("[]{}", kind(item, package));
    }
    match ty.trim_start_matches("optional ") {
        "string" => "s".into(),
        "bytes" => "b".into(),
        "bool" => "t".into(),
        "double" => "d".into(),
        "int32" | "int64" | "uint32" | "uint64" => "v".into(),
        message => {
            let message = message.trim_start_matches('.');
            if message.contains('.') {
                message.to_owned()
            } else {
                format!("{package}.{message}")
            }
        }
    }
}
