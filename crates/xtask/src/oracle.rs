//! Builds the real Kubernetes of `tests/oracle`, to compare with.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::ci::say;

const PROGRAMS: [&str; 5] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
];
/// What the programs say that they are.
const VERSION: (&str, &str, &str) = ("v1.37.2", "1", "37");

/// Builds it into `target/oracle`, with one name for each program.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let (source, out) = (root.join("tests/oracle"), root.join("target/oracle"));
    std::fs::create_dir_all(&out)?;
    let stamps = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].map(|package| {
        let (version, major, minor) = VERSION;
        format!(
            "-X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        )
    });
    let flags = format!("-s -w {}", stamps.join(" "));
    go_build(&source, ".", &flags, &out.join("oracle"))?;
    // The etcd that belongs to this Kubernetes: with an older one its API server reads lists from etcd, not from its cache.
    go_build(
        &source,
        "go.etcd.io/etcd/server/v3",
        "-s -w",
        &out.join("etcd"),
    )?;
    for program in PROGRAMS {
        let link = out.join(program);
        if link.symlink_metadata().is_err() {
            symlink("oracle", &link)?;
        }
    }
    say(&format!(
        "KUBEBUILDER_ASSETS={}",
        out.canonicalize()?.display()
    ));
    Ok(())
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds a program of a Go module.
pub(crate) fn go_build(module: &Path, package: &str, flags: &str, out: &Path) -> Result<()> {
    let status = Command::new("go")
        .args([
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            flags,
            "-o",
        ])
        .arg(std::path::absolute(out)?)
        .arg(package)
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .status()
        .with_context(|| format!("go is needed to build {package}"))?;
    ensure!(status.success(), "{package} was not built ({status})");
    Ok(())
}
