//! Builds what others wrote against Kubernetes, for the tests that let it at our API: `tests/clients` (programs of
//! client-go and controller-runtime, and Helm), `tests/operator` (an operator with its definitions), and the Python client.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::ci::say;
use crate::oracle::{go_build, root};

const OPERATOR: &str = "github.com/prometheus-operator/prometheus-operator";
/// The Python client, with everything that it needs, at the versions of this file.
const PYTHON: &str = "tests/clients/python.txt";

/// Builds it into `target/clients`.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let out = root.join("target/clients");
    std::fs::create_dir_all(&out)?;
    let own = root.join("tests/clients");
    go_build(&own, ".", "-s -w", &out.join("clients"))?;
    go_build(&own, "helm.sh/helm/v3/cmd/helm", "-s -w", &out.join("helm"))?;
    let operator = root.join("tests/operator");
    let package = format!("{OPERATOR}/cmd/operator");
    go_build(&operator, &package, "-s -w", &out.join("operator"))?;
    definitions(&operator, &out.join("operator-crds"))?;
    python(&root.join(PYTHON), &out.join("python"))?;
    say(&format!(
        "CEDGE_TEST_CLIENTS={}",
        out.canonicalize()?.display()
    ));
    Ok(())
}

/// The operator's CustomResourceDefinitions, from its module.
fn definitions(module: &Path, out: &Path) -> Result<()> {
    let listed = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", OPERATOR])
        .current_dir(module)
        .output()
        .context("go is needed to find the operator")?;
    ensure!(listed.status.success(), "the operator's module is not here");
    let dir = String::from_utf8(listed.stdout)?;
    let from = Path::new(dir.trim()).join("example/prometheus-operator-crd");
    std::fs::create_dir_all(out)?;
    for entry in std::fs::read_dir(&from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        // Read and written: files of a module may not be changed, and a copy would be as they are.
        std::fs::write(out.join(entry.file_name()), std::fs::read(entry.path())?)?;
    }
    Ok(())
}

fn python(requirements: &Path, out: &Path) -> Result<()> {
    let interpreter = out.join("bin/python");
    if !interpreter.exists() {
        let made = Command::new("python3")
            .args(["-m", "venv"])
            .arg(out)
            .status();
        let made = made.context("python3 is needed for the Python client")?;
        ensure!(made.success(), "python3 made no environment ({made})");
    }
    let installed = Command::new(interpreter)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(requirements)
        .status()?;
    ensure!(
        installed.success(),
        "the Python client was not installed ({installed})"
    );
    Ok(())
}
