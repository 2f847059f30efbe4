//! The checksums in `Cargo.lock`, in the form that cargo writes.

use std::collections::BTreeMap;

use super::Id;

/// The SHA-256 checksum of each package from a registry.
pub(super) fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let packages = lock.split("[[package]]").skip(1);
    packages.filter_map(package).collect()
}

fn package(text: &str) -> Option<(Id, String)> {
    let field = |name: &str| {
        let start = format!("{name} = \"");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&start)?.strip_suffix('"'));
        value.map(str::to_owned)
    };
    Some(((field("name")?, field("version")?), field("checksum")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_packages_have_checksums() {
        let lock = "version = 3\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n\n\
                    [[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"registry\"\n\
                    checksum = \"00ff\"\ndependencies = [\n \"c\",\n]\n";
        let found = checksums(lock);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&("b".into(), "1.0.0".into())], "00ff");
    }
}
