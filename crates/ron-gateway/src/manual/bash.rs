//! Completions for bash.

use std::fmt::Write as _;

use super::candidates::{candidates, generated_words, FlagValues};
use crate::cli::COMMANDS;

/// The script without the flags.
///
/// `=` separates words in bash, so `--flag=value` arrives as three words.
const SCRIPT: &str = r#"# Completions of ron-gateway for bash: output of `ron-gateway generate bash`.

_ron_gateway() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' at=0 i
    COMPREPLY=()
    if [[ $cur == = ]]; then
        cur=''
    elif [[ $prev == = ]] && ((COMP_CWORD > 1)); then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $prev in
@VALUES@    esac
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            @SWITCHES@) ;;
            -*)
                [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
                ((i++))
                ;;
            *)
                command=${COMP_WORDS[i]} at=$i
                break
                ;;
        esac
    done
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '@FLAGS@' -- "$cur")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W '@COMMANDS@' -- "$cur")
    elif [[ $command == generate ]] && ((at == COMP_CWORD - 1)); then
        mapfile -t COMPREPLY < <(compgen -W '@GENERATED@' -- "$cur")
    fi
}

complete -F _ron_gateway ron-gateway
"#;

/// Returns the script.
pub(super) fn text() -> String {
    let all = candidates();
    let (mut flags, mut switches) = (String::new(), Vec::new());
    let (mut values, mut paths, mut texts) = (String::new(), Vec::new(), Vec::new());
    for candidate in &all {
        let _ = write!(flags, "\n            {}", candidate.long);
        match &candidate.values {
            FlagValues::None => {
                switches.extend(candidate.short.into_iter().chain([&*candidate.long]));
            }
            FlagValues::Path => paths.push(&*candidate.long),
            FlagValues::Text => texts.push(&*candidate.long),
            FlagValues::Words(words) => {
                let reply = format!(
                    "mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\")",
                    words.join(" ")
                );
                values += &case(&candidate.long, &[&reply, "return"]);
            }
        }
    }
    let files = [
        "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")",
        "compopt -o filenames 2>/dev/null",
        "return",
    ];
    values += &case(&paths.join(" | "), &files);
    values += &case(&texts.join(" | "), &["return"]);
    let commands: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    SCRIPT
        .replace("@VALUES@", &values)
        .replace("@SWITCHES@", &switches.join(" | "))
        .replace("@FLAGS@", &format!("{flags}\n        "))
        .replace("@COMMANDS@", &commands.join(" "))
        .replace("@GENERATED@", &generated_words())
}

fn case(pattern: &str, lines: &[&str]) -> String {
    let lines: String = lines
        .iter()
        .map(|line| format!("            {line}\n"))
        .collect();
    format!("        {pattern})\n{lines}            ;;\n")
}
