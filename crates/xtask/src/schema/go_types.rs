//! Reads struct fields of Go sources: what their types are called.
//!
//! No parser of Go: struct fields of the API packages stand one per line, with a JSON tag.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cedge_schema::Presence;
use cedge_schema::generate::GoField;

type Names = HashMap<(String, String), GoField>;

/// One field as written.
struct Written {
    name: String,
    ty: String,
    json: String,
    presence: Presence,
}

/// What the sources say, by (OpenAPI name, JSON field).
pub(super) fn read(modules: &[PathBuf]) -> Result<Names> {
    let mut structs: HashMap<String, Vec<Written>> = HashMap::new();
    let mut strings: HashMap<String, String> = HashMap::new();
    for module in modules {
        let name = module_name(module);
        visit(module, module, &name, &mut structs, &mut strings)?;
    }
    let mut names = Names::new();
    for owner in structs.keys() {
        collect(owner, owner, "", &structs, &strings, &mut names);
    }
    Ok(names)
}

/// `io.k8s.api` of `…/k8s.io/api@v0.37.2`.
fn module_name(module: &Path) -> String {
    let last = module.file_name().unwrap_or_default().to_string_lossy();
    let last = last.split('@').next().unwrap_or_default().to_owned();
    format!("io.k8s.{last}")
}

fn visit(
    folder: &Path,
    module: &Path,
    name: &str,
    structs: &mut HashMap<String, Vec<Written>>,
    strings: &mut HashMap<String, String>,
) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            visit(&path, module, name, structs, strings)?;
        } else if file.ends_with(".go")
            && !file.ends_with("_test.go")
            && !file.contains("generated")
        {
            let inside = folder
                .strip_prefix(module)
                .unwrap_or(folder)
                .to_string_lossy()
                .replace('/', ".");
            file_types(
                &fs::read_to_string(&path)?,
                &format!("{name}.{inside}"),
                structs,
                strings,
            );
        }
    }
    Ok(())
}

fn file_types(
    source: &str,
    package: &str,
    structs: &mut HashMap<String, Vec<Written>>,
    strings: &mut HashMap<String, String>,
) {
    let mut open: Option<String> = None;
    for line in source.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&open, words.as_slice()) {
            (None, ["type", name, "struct", "{"]) => open = Some(format!("{package}.{name}")),
            (None, ["type", name, ty, ..]) if *ty == "string" || ty.starts_with("map[") => {
                strings.insert(format!("{package}.{name}"), (*name).to_owned());
            }
            (Some(_), ["}", ..]) => open = None,
            (Some(owner), [name, ty, tag, ..]) if tag.starts_with("`json:") => {
                let field = go_field(name, ty, tag);
                structs.entry(owner.clone()).or_default().push(field);
            }
            (Some(owner), [ty, tag, ..]) if tag.starts_with("`json:") => {
                let name = ty.trim_start_matches('*').rsplit('.').next().unwrap_or(ty);
                structs
                    .entry(owner.clone())
                    .or_default()
                    .push(go_field(name, ty, tag));
            }
            _ => {}
        }
    }
}

fn go_field(name: &str, ty: &str, tag: &str) -> Written {
    let tag = tag.trim_start_matches("`json:\"");
    let json = tag.split([',', '"', '`']).next().unwrap_or_default();
    Written {
        name: name.to_owned(),
        ty: ty.to_owned(),
        json: json.to_owned(),
        presence: if tag.contains(",omitzero") {
            Presence::UnlessZero
        } else if tag.contains(",omitempty") {
            Presence::UnlessEmpty
        } else {
            Presence::Always
        },
    }
}

/// Names what the schema cannot tell of the fields of `owner`, found in `inside` (itself, or what it embeds).
fn collect(
    owner: &str,
    inside: &str,
    embedded: &str,
    structs: &HashMap<String, Vec<Written>>,
    strings: &HashMap<String, String>,
    names: &mut Names,
) {
    let package = inside.rsplit_once('.').map_or("", |(package, _)| package);
    for field in structs.get(inside).into_iter().flatten() {
        let bare = field.ty.trim_start_matches(['*', '[', ']']);
        let full = format!("{package}.{bare}");
        if field.json.is_empty() {
            if structs.contains_key(&full) && full != owner {
                collect(owner, &full, &field.name, structs, strings, names);
            }
            continue;
        }
        let written = if strings.contains_key(&full) {
            let version = package.rsplit('.').next().unwrap_or_default();
            let list = if field.ty.contains("[]") { "[]" } else { "" };
            format!("{list}{version}.{bare}")
        } else {
            String::new()
        };
        let ty = match (embedded, written.as_str()) {
            ("", written) => written.to_owned(),
            (embedded, written) => format!("{embedded}:{written}"),
        };
        let told = GoField {
            ty,
            presence: field.presence,
            pointer: field.ty.starts_with('*'),
        };
        names.insert((owner.to_owned(), field.json.clone()), told);
    }
}
