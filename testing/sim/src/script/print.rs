//! Prints a script as Rust code.

use super::Script;

impl Script {
    /// Returns a named test that runs this script.
    ///
    /// It compiles below `testing/sim/tests`, beside `use ron_sim::script::*`.
    #[must_use]
    pub fn to_test(&self, name: &str) -> String {
        let mut code = String::new();
        for line in format!("{self:#?}").lines() {
            code.push_str("    ");
            code.push_str(&line.replace(": [", ": vec!["));
            code.push('\n');
        }
        format!(
            "#[test]\nfn {name}() {{\n    use ron_sim::script::{{Hand::*, Mode::*, Op::*, Step::*, \
             Upstream::*}};\n    ron_sim::check(&\n{code}    );\n}}\n"
        )
    }
}
