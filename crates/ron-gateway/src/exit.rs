//! Exit of the process: the message on stderr and the exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use ron_transport::config::ConfigErrors;
use ron_transport::TransportError;

use crate::term;

/// The cause of an exit code other than 0.
#[derive(Debug)]
pub(crate) enum ExitFailure {
    /// The command line or the configuration is invalid: exit code 2.
    Config(String),
    /// The start or the running service failed: exit code 1.
    Runtime(String),
    /// A second signal interrupted the drain: exit code 1.
    CutShort,
}

impl ExitFailure {
    /// Returns a failure at run time, with the failed operation.
    pub(crate) fn runtime(doing: impl fmt::Display, error: &dyn Error) -> Self {
        Self::Runtime(format!("{doing}: {error}"))
    }

    fn code(&self) -> ExitCode {
        match self {
            Self::Config(_) => ExitCode::from(2),
            Self::Runtime(_) | Self::CutShort => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for ExitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(what) | Self::Runtime(what) => f.write_str(what),
            Self::CutShort => {
                f.write_str("a second signal interrupted the drain; open connections were reset")
            }
        }
    }
}

impl From<ConfigErrors> for ExitFailure {
    fn from(errors: ConfigErrors) -> Self {
        Self::Config(errors.to_string())
    }
}

impl From<TransportError> for ExitFailure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Config { .. } | TransportError::Unsupported { .. } => {
                Self::Config(error.to_string())
            }
            error => Self::Runtime(error.to_string()),
        }
    }
}

/// Prints the failure, if any, and returns the exit code.
pub(crate) fn report(outcome: Result<(), ExitFailure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            term::err_line(format_args!("ron-gateway: {failure}"));
            failure.code()
        }
    }
}
