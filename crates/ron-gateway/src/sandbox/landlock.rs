//! The file system rules, by Landlock.
//!
//! Uses the rights up to ABI 5, and the signal scope of ABI 6. Connections to Unix sockets stay
//! unrestricted: a kernel before Linux 7.1 cannot restrict them.

use ::landlock::{
    Access as _, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, ABI,
};

use super::paths::{PathAccess, PathGrant};

/// Newest ABI whose file system rights are used.
const RIGHTS: ABI = ABI::V5;

/// A ruleset that each thread applies.
pub(super) struct FileRules(RulesetCreated);

impl FileRules {
    /// Opens every path and creates the rules.
    ///
    /// Rights that an older kernel lacks are left out.
    pub(super) fn new(grants: &[PathGrant]) -> Result<Self, String> {
        ruleset(grants).map(Self).map_err(|error| error.to_string())
    }

    /// Restricts this thread and its later children; returns the ABI.
    pub(super) fn restrict_thread(&self) -> Result<u32, String> {
        let ruleset = self.0.try_clone().map_err(|error| error.to_string())?;
        let status = ruleset.restrict_self().map_err(|error| error.to_string())?;
        let abi = match status.landlock {
            LandlockStatus::Available {
                effective_abi,
                kernel_abi,
            } => kernel_abi.unwrap_or(effective_abi as i32),
            LandlockStatus::NotEnabled => return Err("it is not enabled (lsm=)".to_owned()),
            LandlockStatus::NotImplemented => return Err("this kernel has none".to_owned()),
        };
        match status.ruleset {
            RulesetStatus::NotEnforced => Err("the kernel did not enforce it".to_owned()),
            _ => u32::try_from(abi).map_err(|error| error.to_string()),
        }
    }
}

fn ruleset(grants: &[PathGrant]) -> Result<RulesetCreated, ::landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RIGHTS))?
        .scope(Scope::Signal)?
        .create()?;
    for grant in grants {
        // A path that disappeared needs no rule.
        if let Ok(path) = PathFd::new(&grant.path) {
            let rights = rights(grant);
            ruleset = ruleset.add_rule(PathBeneath::new(path, rights))?;
        }
    }
    Ok(ruleset)
}

fn rights(grant: &PathGrant) -> BitFlags<AccessFs> {
    let is_dir = grant.path.is_dir();
    match grant.access {
        PathAccess::Read if is_dir => AccessFs::ReadFile | AccessFs::ReadDir,
        PathAccess::Read => AccessFs::ReadFile.into(),
        PathAccess::ReadWriteFile => AccessFs::ReadFile | AccessFs::WriteFile,
        // The socket code opens the directory to lock it.
        PathAccess::Sockets => AccessFs::ReadDir | AccessFs::MakeSock | AccessFs::RemoveFile,
        PathAccess::Write => {
            let never = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock;
            AccessFs::from_all(RIGHTS) & !(never | AccessFs::IoctlDev)
        }
    }
}
