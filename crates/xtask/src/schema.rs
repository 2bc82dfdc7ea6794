//! `cargo xtask schema --from DIR [--go DIR]`: makes the data of crate `schema` anew.
//!
//! DIR holds `swagger.json` and `v3/*.json` as `api/openapi-spec` of the Kubernetes source does, or as dumped from
//! `/openapi/v2` and `/openapi/v3/…` of a running API server (which tells enums as well). `--go` names the folder
//! of the Go modules `k8s.io/api` and `k8s.io/apimachinery`, from which the names of Go types in decoding errors come.
//! Every definition is printed back out in both dialects and compared, so nothing is lost silently.

mod go_types;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cedge_schema::generate;
use cedge_schema::openapi::{Definitions, Dialect};
use serde_json::{Map, Value};

const KINDS: &str = "x-kubernetes-group-version-kind";

struct Options {
    from: PathBuf,
    go: Vec<PathBuf>,
    check: bool,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = parse(args)?;
    let swagger = read(&options.from.join("swagger.json"))?;
    let v2 = object(&swagger["definitions"])?;
    let v3 = v3_definitions(&options.from, v2)?;
    if options.check {
        return compare(v2, &v3);
    }
    let go = go_types::read(&options.go)?;
    let data = generate::compile(&v3, &go)?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/data");
    fs::write(folder.join("types.bin.zst"), &data.types)?;
    fs::write(folder.join("texts.bin.zst"), &data.texts)?;
    tell(&format!(
        "{} definitions: types {} bytes, texts {} bytes; run again with --check to compare",
        v3.len(),
        data.types.len(),
        data.texts.len()
    ));
    Ok(())
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options {
        from: PathBuf::new(),
        go: Vec::new(),
        check: false,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} needs a folder"));
        match arg.as_str() {
            "--from" => options.from = value()?.into(),
            "--go" => options.go.push(value()?.into()),
            "--check" => options.check = true,
            other => {
                bail!("unknown flag `{other}`; usage: schema --from DIR [--go DIR]… [--check]")
            }
        }
    }
    ensure!(
        !options.from.as_os_str().is_empty(),
        "--from DIR is missing"
    );
    Ok(options)
}

/// All definitions of all documents; kinds as the one document of the older dialect has them.
fn v3_definitions(from: &Path, v2: &Map<String, Value>) -> Result<Map<String, Value>> {
    let mut all = Map::new();
    let folder = from.join("v3");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let mut document = read(&entry?.path())?;
        if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
            all.extend(std::mem::take(schemas));
        }
    }
    for (name, schema) in &mut all {
        let kinds = v2.get(name).and_then(|schema| schema.get(KINDS));
        if let (Some(kinds), Some(schema)) = (kinds, schema.as_object_mut()) {
            schema.insert(KINDS.into(), kinds.clone());
        }
    }
    ensure!(!all.is_empty(), "no definitions in {}", folder.display());
    Ok(all)
}

/// Prints every definition back and names the ones that differ.
fn compare(v2: &Map<String, Value>, v3: &Map<String, Value>) -> Result<()> {
    let definitions = Definitions::load();
    let mut different = 0;
    for (source, dialect) in [(v2, Dialect::V2), (v3, Dialect::V3)] {
        for (name, schema) in source {
            let ours = definitions.definition(name, dialect).unwrap_or_default();
            if &ours != schema {
                different += 1;
                tell(&format!(
                    "{dialect:?} {name}\n  theirs {schema}\n  ours   {ours}"
                ));
            }
        }
    }
    ensure!(different == 0, "{different} definitions differ");
    tell("all definitions are equal");
    Ok(())
}

fn read(path: &Path) -> Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not JSON", path.display()))
}

fn object(value: &Value) -> Result<&Map<String, Value>> {
    value.as_object().context("not an object")
}

#[expect(clippy::print_stdout, reason = "the result of a command line tool")]
fn tell(text: &str) {
    println!("{text}");
}
