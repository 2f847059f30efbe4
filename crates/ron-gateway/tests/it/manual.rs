//! The manual pages and completions under the programs that read them.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::common::{command, run};

/// Writes what `generate` prints to a file of this name.
fn generated(dir: &tempfile::TempDir, what: &str, name: &str) -> PathBuf {
    let (code, text, errors) = run(&["generate", what], &[]);
    assert_eq!((code, errors.as_str()), (0, ""), "{what}");
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// Runs a program; `None` where it is not installed.
fn output(program: &str, args: &[&str]) -> Option<Output> {
    let run = command(program).args(args).env("MANWIDTH", "80").output();
    if run.is_err() {
        eprintln!("SKIPPED: no {program}");
    }
    run.ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn manual_pages_render_without_warnings() {
    let dir = tempfile::tempdir().unwrap();
    for (what, name, sections) in [
        (
            "man",
            "ron-gateway.1",
            &["OPTIONS", "--dev-tls", "SIGNALS"][..],
        ),
        ("man-toml", "ron-gateway.toml.5", &["max_conns", "PRESETS"]),
    ] {
        let page = generated(&dir, what, name);
        let page = page.to_str().unwrap();
        if let Some(run) = output("man", &["--warnings", "-l", page]) {
            let (shown, warnings) = (text(&run.stdout), text(&run.stderr));
            assert!(run.status.success() && warnings.is_empty(), "{warnings}");
            for section in sections {
                assert!(shown.contains(section), "{section}: {shown}");
            }
        }
        if let Some(run) = output("mandoc", &["-Tlint", "-W", "warning", page]) {
            // A page without a date is the same in every build.
            let found = text(&run.stdout);
            let found: Vec<_> = found
                .lines()
                .filter(|line| !line.contains("missing date"))
                .collect();
            assert!(found.is_empty(), "{found:?}");
        }
    }
}

#[test]
fn bash_completes_flags_values_and_commands() {
    let dir = tempfile::tempdir().unwrap();
    let script = generated(&dir, "bash", "ron-gateway.bash");
    fs::write(dir.path().join("a file.toml"), "").unwrap();
    let ask = r#"cd "$1"; source "$2"; shift 2
        COMP_WORDS=(ron-gateway "$@"); COMP_CWORD=$#
        _ron_gateway; printf '%s\n' "${COMPREPLY[@]}""#;
    let of = script.to_str().unwrap();
    for (words, expected) in [
        (&["che"][..], &["check"][..]),
        (&["generate", "man"], &["man", "man-toml"]),
        (&["--echo", "generate", "z"], &["zsh"]),
        (&["--config", "check", "di"], &["dial"]),
        (&["check", ""], &[""]),
        (&["--echo-f"], &["--echo-frames"]),
        (&["check", "--transport.backe"], &["--transport.backend"]),
        (&["--transport.backend", "t"], &["tcp", "tls"]),
        (&["--transport.backend", "=", "u"], &["uds"]),
        (
            &["--transport.backend", "="],
            &["tcp", "tls", "uds", "arti"],
        ),
        (&["--transport.tcp.nodelay", "of"], &["off"]),
        (&["--transport.max-conns", ""], &[""]),
        (&["--config", "a"], &["a file.toml"]),
        (&["--transport.tls.cert-path", "=", "a f"], &["a file.toml"]),
    ] {
        let args = [
            "--norc",
            "-c",
            ask,
            "bash",
            dir.path().to_str().unwrap(),
            of,
        ];
        let args: Vec<_> = args.iter().chain(words).copied().collect();
        let Some(run) = output("bash", &args) else {
            return;
        };
        let (found, errors) = (text(&run.stdout), text(&run.stderr));
        assert!(errors.is_empty(), "{words:?}: {errors}");
        let found: Vec<_> = found.lines().collect();
        let has = expected.iter().all(|word| found.contains(word));
        assert!(has && found.len() == expected.len(), "{words:?}: {found:?}");
    }
}

/// A terminal with zsh, in which the test presses the tab key.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
read_until() {
    local out chunk
    while [[ $out != *$1* ]]; do
        zpty -r shell chunk $2 || { print -ru2 -- "no $1 in ${(V)out}"; exit 1 }
        out+=$chunk
    done
}
zpty -w shell "TERM=dumb PS1= fpath=(${(q)1} \$fpath); autoload -Uz compinit; compinit -u -D; print DO''NE"
read_until DONE
zpty -w -n shell "$2"$'\t'
read_until "$3" "*$3*"
zpty -d shell
"#;

#[test]
fn zsh_completes_flags_values_and_commands() {
    let dir = tempfile::tempdir().unwrap();
    generated(&dir, "zsh", "_ron-gateway");
    for (line, expected) in [
        ("che", "check "),
        ("generate man-", "man-toml"),
        ("--transport.backe", "--transport.backend="),
        ("--transport.backend=ar", "--transport.backend=arti"),
        ("check --transport.pq.mode hy", "hybrid"),
    ] {
        let (dir, line) = (dir.path().to_str().unwrap(), format!("ron-gateway {line}"));
        let args = ["20", "zsh", "-f", "-c", ZSH, "zsh", dir, &line, expected];
        if output("zsh", &["--version"]).is_none() {
            return;
        }
        let run = output("timeout", &args).unwrap();
        assert!(run.status.success(), "{line}: {}", text(&run.stderr));
    }
}

#[test]
fn fish_completes_flags_values_and_commands() {
    let dir = tempfile::tempdir().unwrap();
    let script = generated(&dir, "fish", "ron-gateway.fish");
    let script = script.to_str().unwrap();
    for (line, expected) in [
        ("che", "check"),
        ("generate man-", "man-toml"),
        ("--transport.backe", "--transport.backend"),
        ("--transport.backend ar", "arti"),
        ("--transport.pq.mode=hy", "--transport.pq.mode=hybrid"),
    ] {
        let ask = "source $argv[1]; complete -C \"ron-gateway $argv[2]\"";
        let home = dir.path().to_str().unwrap();
        let args = [
            "HOME=",
            home,
            "fish",
            "--no-config",
            "-c",
            ask,
            script,
            line,
        ];
        if output("fish", &["--version"]).is_none() {
            return;
        }
        let home = [args[0], args[1]].concat();
        let run = output("env", &[&[&*home], &args[2..]].concat()).unwrap();
        let found = text(&run.stdout);
        let words: Vec<_> = found
            .lines()
            .map(|l| l.split('\t').next().unwrap())
            .collect();
        assert_eq!(words, [expected], "{line}: {}", text(&run.stderr));
    }
}
